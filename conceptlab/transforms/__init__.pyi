# Written by `python -m conceptlab.stubs`, with torch 2.15. Do not edit.

from torchvision.transforms.v2 import Compose as Compose
from torchvision.transforms.v2 import Identity as Identity
from torchvision.transforms.v2 import InterpolationMode as InterpolationMode
from torchvision.transforms.v2 import Lambda as Lambda
from torchvision.transforms.v2 import PILToTensor as PILToTensor
from torchvision.transforms.v2 import RandomApply as RandomApply
from torchvision.transforms.v2 import RandomChoice as RandomChoice
from torchvision.transforms.v2 import RandomOrder as RandomOrder
from torchvision.transforms.v2 import ToDtype as ToDtype
from torchvision.transforms.v2 import ToImage as ToImage
from torchvision.transforms.v2 import ToPILImage as ToPILImage
from torchvision.transforms.v2 import ToPureTensor as ToPureTensor
from torchvision.transforms.v2 import Transform as Transform

