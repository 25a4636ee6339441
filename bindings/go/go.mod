module github.com/rmqtt-c/rmqtt-c/bindings/go

go 1.19
