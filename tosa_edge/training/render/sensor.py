"""What a real camera does to the light: exposure, colour cast, blur, noise and compression."""

from __future__ import annotations

import cv2
import numpy as np


def photograph(radiance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Linear radiance [H, W, 3] to an RGB picture [H, W, 3] uint8."""
    light = radiance * _exposure(radiance, rng) * _white_balance(rng) * _vignette(radiance.shape[:2], rng)
    light = _bloom(light.astype(np.float32), rng)
    light = _blur(light, rng)
    light = _noise(light, rng)
    picture = _tone(light, rng)
    if rng.random() < 0.35:
        soft = cv2.GaussianBlur(picture, (0, 0), 1.0)
        picture = picture + rng.uniform(0.2, 0.9) * (picture - soft)
    return _compress((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8), rng)


def _exposure(radiance: np.ndarray, rng) -> float:
    """Automatic exposure, a little off: the middle tone lands between dim and bright."""
    luminance = radiance @ np.array([0.3, 0.6, 0.1], np.float32)
    middle = np.exp(np.mean(np.log(np.maximum(luminance, 1e-3))))
    return float(np.exp(rng.normal(np.log(0.18), 0.3)) / middle)


def _white_balance(rng) -> np.ndarray:
    warm, green = rng.normal(0, 0.08), rng.normal(0, 0.03)
    return np.array([np.exp(warm), np.exp(green), np.exp(-warm)], np.float32)


def _vignette(shape: tuple[int, int], rng) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j].astype(np.float32)
    return 1 - rng.uniform(0, 0.3) * ((x**2 + y**2) / 2)[..., None]


def _bloom(light: np.ndarray, rng) -> np.ndarray:
    """Very bright windows and lamps spill a little light around them."""
    share = rng.uniform(0, 0.12)
    return light * (1 - share) + share * cv2.GaussianBlur(np.minimum(light, 4), (0, 0), rng.uniform(3, 12))


def _blur(light: np.ndarray, rng) -> np.ndarray:
    light = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.2, 0.9))
    if rng.random() > 0.25:
        return light
    length, angle = rng.uniform(2, 7), rng.uniform(0, np.pi)
    kernel = np.zeros((9, 9), np.float32)
    for t in np.linspace(-length / 2, length / 2, 25):
        kernel[round(4 + t * np.sin(angle)), round(4 + t * np.cos(angle))] += 1
    return cv2.filter2D(light, -1, kernel / kernel.sum())


def _noise(light: np.ndarray, rng) -> np.ndarray:
    """Photon noise that grows with the light, and read noise that does not; both smeared by demosaicing."""
    level = rng.uniform(0.0, 1.0) ** 2
    grain = rng.standard_normal(light.shape, np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.4, 0.9)) * 1.6
    return light + level * grain * np.sqrt(0.0004 + 0.006 * np.maximum(light, 0))


def _tone(light: np.ndarray, rng) -> np.ndarray:
    """A film-like shoulder for the highlights, then the display curve and a little contrast."""
    light = np.maximum(light, 0)
    knee = rng.uniform(0.55, 0.95)
    light = np.where(light > knee, knee + (1 - knee) * (1 - np.exp(-(light - knee) / (1 - knee))), light)
    picture = light ** (1 / rng.uniform(1.9, 2.5))
    contrast = rng.uniform(-0.1, 0.45)
    picture = picture + contrast * picture * (1 - picture) * (2 * picture - 1)
    grey = picture.mean(axis=-1, keepdims=True)
    return grey + rng.uniform(0.5, 1.15) * (picture - grey)


def _compress(picture: np.ndarray, rng) -> np.ndarray:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 97))]
    _, data = cv2.imencode(".jpg", picture[..., ::-1], quality)
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return np.ascontiguousarray(decoded[..., ::-1])
