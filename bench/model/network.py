"""AnomalyCLIP's vision tower (V-V path on every block) in PyTorch on one thread, for bench/model.mjs.

Arguments: clip.safetensors, side of the picture in px, the picture (float32 [3,side,side]), where the V-V tokens of that picture go.
First line out: what runs, as JSON. Then every line in makes one run, and its time in ms is the line out.
"""
import ctypes
import json
import struct
import sys
import time

import numpy
import torch
import torch.nn.functional as F

torch.set_num_threads(1)


def tensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = numpy.memmap(path, numpy.float32, "r", 8 + length)
    found = {}
    for name, entry in header.items():
        if name.startswith("visual."):
            start, end = (offset // 4 for offset in entry["data_offsets"])
            found[name[len("visual."):]] = torch.from_numpy(numpy.array(data[start:end])).reshape(entry["shape"])
    return found


path, size, image_path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
w = tensors(path)
WIDTH, EMBED = w["proj"].shape
PATCH = w["conv1.weight"].shape[2]
GRID = size // PATCH
HEADS = WIDTH // 64
LAYERS = 1 + max(int(name.split(".")[2]) for name in w if name.startswith("transformer."))
blocks = []
for i in range(LAYERS):
    prefix = "transformer.resblocks.%d." % i
    blocks.append({name[len(prefix):]: value for name, value in w.items() if name.startswith(prefix)})
table = w["positional_embedding"]
side = int((len(table) - 1) ** 0.5)
patches = table[1:].reshape(1, side, side, WIDTH).permute(0, 3, 1, 2)
patches = F.interpolate(patches, size=(GRID, GRID), mode="bilinear", align_corners=False)
positions = torch.cat([table[:1], patches.permute(0, 2, 3, 1).reshape(GRID * GRID, WIDTH)])
text = torch.randn(EMBED, 2)


def norm(x, b, name):
    return F.layer_norm(x, (WIDTH,), b[name + ".weight"], b[name + ".bias"])


def heads(x):
    return x.reshape(-1, HEADS, 64).transpose(0, 1)


def attend(q, k, v, b):
    context = torch.softmax(q @ k.transpose(1, 2) * 0.125, -1) @ v
    return F.linear(context.transpose(0, 1).reshape(-1, WIDTH), b["attn.out_proj.weight"], b["attn.out_proj.bias"])


@torch.no_grad()
def run(image):
    x = F.conv2d(image, w["conv1.weight"], stride=PATCH).flatten(2)[0].t()
    x = norm(torch.cat([w["class_embedding"][None], x]) + positions, w, "ln_pre")
    dual = x
    for b in blocks:
        q, k, v = (heads(t) for t in F.linear(norm(x, b, "ln_1"), b["attn.in_proj_weight"], b["attn.in_proj_bias"]).chunk(3, -1))
        dual = dual + attend(v, v, v, b)
        x = x + attend(q, k, v, b)
        h = F.linear(norm(x, b, "ln_2"), b["mlp.c_fc.weight"], b["mlp.c_fc.bias"])
        x = x + F.linear(h * torch.sigmoid(1.702 * h), b["mlp.c_proj.weight"], b["mlp.c_proj.bias"])
    score = torch.softmax(F.normalize(x[:1] @ w["proj"], dim=-1) @ text / 0.07, -1)
    p = torch.softmax(F.normalize(norm(dual[1:], w, "ln_post") @ w["proj"], dim=-1) @ text / 0.07, -1)[:, 1]
    grid = F.interpolate(p.reshape(1, 1, GRID, GRID), size=(size, size), mode="bilinear", align_corners=False)
    return dual[1:], score, grid


def blas():
    """What multiplies: OpenBLAS's name for the kernels that it took, and its number of threads."""
    with open("/proc/self/maps") as maps:
        paths = {line.split()[-1] for line in maps if "blas" in line and ".so" in line}
    for path in sorted(paths):
        library = ctypes.CDLL(path)
        if hasattr(library, "openblas_get_corename"):
            library.openblas_get_corename.restype = ctypes.c_char_p
            return {"blas": "OpenBLAS", "kernels": library.openblas_get_corename().decode(), "threads": library.openblas_get_num_threads()}
    return {"blas": ", ".join(sorted(path.split("/")[-1] for path in paths)) or "none", "kernels": "", "threads": None}


image = torch.from_numpy(numpy.fromfile(image_path, numpy.float32)).reshape(1, 3, size, size)
run(image)[0].numpy().tofile(sys.argv[4])
print(json.dumps({"version": torch.__version__, "dtype": str(image.dtype), "torchThreads": torch.get_num_threads(), **blas()}), flush=True)
for line in sys.stdin:
    began = time.perf_counter()
    run(image)
    print((time.perf_counter() - began) * 1000, flush=True)
