"""Builds the compiled codec: a C compiler and Python's headers are all it needs besides NumPy."""

import os

import numpy
from setuptools import Extension, setup

GCC = ["-O3", "-std=c11", "-fno-fast-math", "-Wall", "-Wextra"]  # and clang

setup(
    ext_modules=[
        Extension(
            "npc_bridge_codec",
            ["codec.c"],
            include_dirs=[numpy.get_include()],
            extra_compile_args=[] if os.name == "nt" else GCC,
        )
    ],
    options={"build_ext": {"force": True}},  # whatever an earlier build left behind
)
