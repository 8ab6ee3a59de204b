"""The table of formats that released perturbations come in. Adding one is a file and a line here."""

FORMATS = {
    "npy": "bench.importing.arrays:NPY",
    "npz": "bench.importing.arrays:NPZ",
    "pkl": "bench.importing.pickles:PKL",
    "png": "bench.importing.pictures:PNG",
    "pt": "bench.importing.tensors:PT",
}

WITHOUT_FILES = {
    "pth": "generator weights (DC, GUE) are no perturbation, and running them is not importing: apply the generator to "
    "the training images with its own code, save image i as i.png, and import the folder as `png`",
    "cuda": "CUDA is released as code and a seed, not as a file: save the filtered training images with its own code "
    "as i.png, and import the folder as `png`",
    "jpg": "JPEG changes the pixels that it stores, which destroys perturbations: import the PNG files of the release",
}
"""What is asked for and cannot be imported, and what to do instead."""
