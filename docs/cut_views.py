"""Cut large views out of every photograph inside scikit-image, scikit-learn and matplotlib: an image folder for zfpipe.

Usage: python docs/cut_views.py FOLDER

A view spans a half or a third of the photograph's shorter side, so that eyes, wheels and letters are seen whole. Views
of a half overlap. They are a validation set alone (FOLDER/val/{photograph}/), for networks with given weights.
"""

import importlib.util
import sys
from pathlib import Path

from PIL import Image

# In scikit-image's wheel: all that are photographs (motorcycle_right shows the same as motorcycle_left).
SKIMAGE = (
    "astronaut.png brick.png camera.png chelsea.png clock_motion.png coffee.png coins.png grass.png gravel.png "
    "hubble_deep_field.jpg ihc.png moon.png motorcycle_left.png page.png retina.jpg rocket.jpg text.png"
)
FILES = [("skimage", f"data/{name}") for name in SKIMAGE.split()]
FILES += [("sklearn", f"datasets/images/{name}") for name in ("china.jpg", "flower.jpg")]
FILES += [("matplotlib", "mpl-data/sample_data/grace_hopper.jpg")]
# (parts of the shorter side that a view spans, parts of a view from one to the next)
VIEWS = ((2, 2), (3, 1))


def main(folder: Path) -> None:
    for package, inside in FILES:
        photograph = Path(importlib.util.find_spec(package).origin).parent / inside
        image, name = Image.open(photograph).convert("RGB"), photograph.stem
        (folder / "val" / name).mkdir(parents=True, exist_ok=True)
        for parts, steps in VIEWS:
            side = min(image.size) // parts
            for top in range(0, image.height - side + 1, side // steps):
                for left in range(0, image.width - side + 1, side // steps):
                    view = image.crop((left, top, left + side, top + side))
                    view.save(folder / "val" / name / f"{parts}-{top:04d}-{left:04d}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
