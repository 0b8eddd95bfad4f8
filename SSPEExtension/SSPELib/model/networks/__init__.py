"""The generators of the paper, one network a file."""

from .resunet import ResUNet
from .transunet import TransResUNet, TransUNet
from .unet import UNet

GENERATORS: dict[str, type[UNet]] = {"ResUNet": ResUNet, "TransUNet": TransUNet, "TransResUNet": TransResUNet}
