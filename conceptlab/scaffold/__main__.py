"""``python -m conceptlab.scaffold NAME``."""

import argparse

from conceptlab.scaffold import write

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m conceptlab.scaffold", description="a folder for a concept")
    parser.add_argument("name", help="a function of torch.nn.functional")
    name = parser.parse_args().name
    try:
        folder = write(name)
    except (ValueError, FileExistsError) as error:
        parser.exit(2, f"{error}\n")
    print(f"{folder} is there. CONTRIBUTING.md, from step 1 on, says what goes into its files.")
