"""Polygons, lines of sight, distance and path tables of a map. NumPy only; metres and radians."""

from __future__ import annotations

from npc_sdk.geometry.grids import (
    UNREACHABLE,
    SdfGrid,
    build_sdf,
    grid_points,
    path_field,
    sample_grid,
)
from npc_sdk.geometry.polygons import (
    FAR,
    Bounds,
    Point,
    Shape,
    bounds_ring,
    closest_on_edges,
    convex_corners,
    offset_ring,
    pad_edges,
    point_in_polygon,
    polygon_edges,
    ring_edges,
    segment_distance,
    signed_area,
    signed_distance,
)
from npc_sdk.geometry.roads import CELL, RoadAtlas, Roads, build_roads, grid_index
from npc_sdk.geometry.sight import line_of_sight, ray_distances
from npc_sdk.geometry.tables import MapTables, build_map

__all__ = [
    "CELL",
    "FAR",
    "UNREACHABLE",
    "Bounds",
    "MapTables",
    "Point",
    "RoadAtlas",
    "Roads",
    "SdfGrid",
    "Shape",
    "bounds_ring",
    "build_map",
    "build_roads",
    "build_sdf",
    "closest_on_edges",
    "convex_corners",
    "grid_index",
    "grid_points",
    "line_of_sight",
    "offset_ring",
    "pad_edges",
    "path_field",
    "point_in_polygon",
    "polygon_edges",
    "ray_distances",
    "ring_edges",
    "sample_grid",
    "segment_distance",
    "signed_area",
    "signed_distance",
]
