"""The table of victim models: name -> function (in_channels, classes) -> torch module. Adding one is a line here."""

MODELS = {
    "resnet18": "bench.models.resnet:resnet18",
    "resnet18-imagenet": "bench.models.resnet_imagenet:resnet18_imagenet",
    "resnet-narrow": "bench.models.resnet:resnet_narrow",
    "resnet50": "bench.models.resnet50:resnet50",
    "senet18": "bench.models.senet:senet18",
    "vit": "bench.models.vit:vit",
    "lenet5": "bench.models.lenet:lenet5",
}
