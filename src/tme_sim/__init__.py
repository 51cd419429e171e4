"""Simulator of the tumour microenvironment of hepatocellular carcinoma under therapy."""

__version__ = "0.1.0"
