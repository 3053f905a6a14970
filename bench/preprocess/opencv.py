# What a user would write with OpenCV, on one core, and the reference made with OpenCV and Pillow.
# Usage: opencv.py FOLDER WIDTH HEIGHT SIZE ROUNDS. Prints one line of JSON.
import glob
import hashlib
import json
import os
import sys
import time

import cv2
import numpy as np

cv2.setNumThreads(1)
folder, width, height, size, rounds = sys.argv[1], *map(int, sys.argv[2:])
names = sorted(glob.glob(os.path.join(folder, "*.raw")))
frames = [np.fromfile(name, np.uint8).reshape(height, width) for name in names]
mean = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
std = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def one(frame):
    rgb = cv2.cvtColor(frame, cv2.COLOR_BayerBG2RGB)  # OpenCV names the second row: this is BayerRG8
    small = cv2.resize(rgb, (size, size), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(((small.astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1))


ms = []
for i in range(rounds + 1):
    before = time.thread_time()
    for frame in frames:
        one(frame)
    if i > 0:  # the first one warms up
        ms.append((time.thread_time() - before) * 1e3 / len(frames))

area, gold = {}, {}
for name, frame in zip(names, frames):
    key = os.path.basename(name)[:-4]
    rgb = cv2.cvtColor(frame, cv2.COLOR_BayerBG2RGB)
    cv2.resize(rgb, (size, size), interpolation=cv2.INTER_AREA).tofile(os.path.join(folder, key + ".area"))
    try:
        from PIL import Image

        bicubic = np.asarray(Image.fromarray(rgb).resize((size, size), Image.BICUBIC))
        gold[key] = hashlib.sha256(bicubic.tobytes()).hexdigest()
    except ImportError:
        pass
print(json.dumps({"ms": sorted(ms)[len(ms) // 2], "version": cv2.__version__, "gold": gold}))
