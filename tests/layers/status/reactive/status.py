from charms import layer

layer.status._initialize()
