"""The table of victim models: name -> function (in_channels, classes) -> torch module. Adding one is a line here."""

MODELS = {
    "resnet18": "bench.models.resnet:resnet18",
    "resnet-narrow": "bench.models.resnet:resnet_narrow",
}
