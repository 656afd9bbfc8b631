"""python -m carharvest"""

from carharvest.cli.main import run

run()
