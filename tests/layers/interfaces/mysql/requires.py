from charms import reactive
from charms.reactive import Endpoint


class MySQLRequires(Endpoint):
    """Sets {endpoint_name}.connected, .available once all is said, .changed when it changes."""

    def manage_flags(self):
        super().manage_flags()
        said = [self.host(), self.port(), self.database(), self.user(), self.password()]
        available = self.is_joined and all(said)
        reactive.toggle_flag(self.expand_name('{endpoint_name}.connected'), self.is_joined)
        reactive.toggle_flag(self.expand_name('{endpoint_name}.available'), available)
        if available and reactive.data_changed(self.expand_name('{endpoint_name}'), said):
            reactive.set_flag(self.expand_name('{endpoint_name}.changed'))

    def host(self):
        return self._received('host')

    def port(self):
        return int(self._received('port') or 3306)

    def database(self):
        return self._received('database')

    def user(self):
        return self._received('user')

    def password(self):
        return self._received('password')

    def _received(self, key):
        return self.all_joined_units.received_raw[key]
