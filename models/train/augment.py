"""How a clean crop becomes night, haze, heat picture, noise or a poor link.

Works on 8-bit BGR crops and never moves pixels, so boxes stay true.
"""

import math

import cv2
import numpy as np


def degrade(crop, random):
    """A random mixture of light, optics, sensor and compression faults."""
    if random.random() < 0.20:
        crop = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        if random.random() < 0.25:
            crop = 255 - crop
    elif random.random() < 0.35:
        crop = tint(crop, random)
    if random.random() < 0.6:
        crop = tone(crop, random)
    if random.random() < 0.12:
        crop = shadow(crop, random)
    if random.random() < 0.10:
        crop = haze(crop, random)
    if random.random() < 0.12:
        crop = motion_blur(crop, random)
    elif random.random() < 0.15:
        crop = cv2.GaussianBlur(crop, (0, 0), random.uniform(0.5, 1.8))
    elif random.random() < 0.15:
        soft = cv2.GaussianBlur(crop, (0, 0), 1.5)
        gain = random.uniform(0.4, 1.5)
        crop = cv2.addWeighted(crop, 1 + gain, soft, -gain, 0)
    if random.random() < 0.08:
        crop = night(crop, random)
    if random.random() < 0.25:
        crop = noise(crop, random, random.uniform(2, 14))
    if random.random() < 0.25:
        quality = int(random.integers(15, 80))
        _, packed = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])
        crop = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return crop


def tint(crop, random):
    """Other white balance and colour strength."""
    hsv = cv2.cvtColor(crop, cv2.COLOR_BGR2HSV)
    hsv[:, :, 0] = (hsv[:, :, 0].astype(np.int16) + int(random.integers(-6, 7))) % 180
    hsv[:, :, 1] = cv2.convertScaleAbs(hsv[:, :, 1], alpha=random.uniform(0.4, 1.35))
    crop = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    gains = np.array([*random.uniform(0.85, 1.18, 3), 1.0])
    return cv2.multiply(crop, gains)


def tone(crop, random):
    """Other exposure, contrast and gamma, as one table."""
    levels = np.arange(256) / 255.0
    gamma = math.exp(random.uniform(-0.6, 0.6))
    contrast = random.uniform(0.55, 1.4)
    light = random.uniform(-0.12, 0.12)
    table = (levels**gamma - 0.5) * contrast + 0.5 + light
    return cv2.LUT(crop, np.clip(table * 255, 0, 255).astype(np.uint8))


def shadow(crop, random):
    """The soft-edged shadow of something out of the picture."""
    side = crop.shape[0]
    corners = random.uniform(-0.3, 1.3, (4, 2)) * side
    mask = np.zeros(crop.shape[:2], np.float32)
    hull = cv2.convexHull(corners.astype(np.int32))
    cv2.fillConvexPoly(mask, hull, float(random.uniform(0.25, 0.65)))
    mask = cv2.GaussianBlur(mask, (0, 0), random.uniform(0.7, 4))
    return (crop * (1 - mask[:, :, None])).astype(np.uint8)


def haze(crop, random):
    """A veil of grey over everything."""
    strength = random.uniform(0.2, 0.65)
    grey = np.full_like(crop, int(random.integers(130, 236)))
    return cv2.addWeighted(crop, 1 - strength, grey, strength, 0)


def night(crop, random):
    """Little light: dark, one lamp's colour, strong noise."""
    levels = np.arange(256) / 255.0
    dark = (levels ** random.uniform(1.0, 1.8)) * random.uniform(0.18, 0.5)
    crop = cv2.LUT(crop, (dark * 255).astype(np.uint8))
    lamp = np.array([random.uniform(0.5, 1.0), random.uniform(0.75, 1.0), 1.0, 1.0])
    return noise(cv2.multiply(crop, lamp), random, random.uniform(3, 9))


def noise(crop, random, sigma):
    """Sensor noise, the same in all colours or one for each."""
    channels = 1 if random.random() < 0.5 else 3
    grain = random.standard_normal((*crop.shape[:2], channels), np.float32) * sigma
    return np.clip(crop + grain, 0, 255).astype(np.uint8)


def motion_blur(crop, random):
    """The smear of a moving camera: a line of 3 to 11 pixels, any way."""
    length = int(random.integers(3, 12))
    angle = random.uniform(0, math.pi)
    kernel = np.zeros((length, length), np.float32)
    middle = (length - 1) / 2
    for t in np.linspace(-middle, middle, 4 * length):
        x, y = middle + t * math.cos(angle), middle + t * math.sin(angle)
        kernel[int(round(y)), int(round(x))] += 1
    return cv2.filter2D(crop, -1, kernel / kernel.sum())
