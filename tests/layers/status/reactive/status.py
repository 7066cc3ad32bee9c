from charms import layer

layer.status._initialize(layer.options.get('status', 'patch-hookenv'))
