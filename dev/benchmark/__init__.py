# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The benchmark behind dev/bench: the add-on and its peer, measured alike."""
