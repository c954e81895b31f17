"""Golden maps of mask optimisation: no package has these methods, so they are derived here again from the papers' formulas.

Everything is float64 torch with autograd, with the noise of the library's option `noise_samples` in place of random
numbers. Masks after a few iterations: a line search may turn rounding into another step, so each case asserts that no decision
that moves a mask by more than 3e-4 was closer than `MARGIN` to the other side (float32 rounding of an objective is 1e-7).

    python mask.py
"""

import numpy as np
import torch
import torch.nn.functional as F

import golden

LIBRARIES = ["torch"]
MARGIN = 1e-6
NOISE = 0.2


def blur(x, sigma, taps):
    """Separable Gaussian of `taps` samples, borders mirrored (reflect-101) as often as the kernel needs."""
    reach = taps // 2
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    kernel = torch.tensor(kernel / kernel.sum())
    for axis in (2, 3):
        size = x.shape[axis]
        period = max(1, 2 * (size - 1))
        folded = np.abs((np.arange(-reach, size + reach)) % period)
        folded = np.minimum(folded, period - folded)
        padded = x.index_select(axis, torch.tensor(folded))
        x = sum(weight * padded.narrow(axis, tap, size) for tap, weight in enumerate(kernel))
    return x


def enlarged(mask, size):
    return F.interpolate(mask[None, None], size=size, mode="bilinear", align_corners=True)[0, 0]


def variation(plane, vertical=1.0, horizontal=1.0):
    return (vertical * (plane[1:] - plane[:-1]) ** 2).mean() + (horizontal * (plane[:, 1:] - plane[:, :-1]) ** 2).mean()


def edge_weights(image, kind, sigma=0.1):
    down, across = image[:, 1:] - image[:, :-1], image[:, :, 1:] - image[:, :, :-1]
    horizontal = torch.exp(-(across**2) / sigma**2).mean(0)
    vertical = torch.exp(-(down.mean(0) ** 2) / sigma**2) if kind == "igospp_repo" else torch.exp(-(down**2) / sigma**2).mean(0)
    return vertical, horizontal


class Descent:
    """One image. `terms`: (insertion?, masks that are multiplied)."""

    def __init__(self, network, x, target, baseline, terms, masks, noise, size, points, l1=1.0, l2=20.0, btv="none", halved=False):
        self.network, self.x, self.target, self.baseline = network, x, target, baseline
        self.terms, self.noise, self.points, self.halved = terms, noise, points, halved
        self.l1, self.l2 = l1, l2
        self.masks = [torch.ones(size, size, dtype=torch.float64) for _ in range(masks)]
        self.weights = None if btv == "none" else edge_weights(x[0], btv)
        self.closest = np.inf

    def probability(self, versions):
        return torch.softmax(self.network(versions), 1)[:, self.target]

    def penalty(self, masks):
        product = torch.stack(list(masks)).prod(0)
        rough = variation(product)
        if self.weights is not None:
            rough = 0.5 * (rough + variation(enlarged(product, self.x.shape[2:]), *self.weights))
        return self.l1 * (1 - product).abs().mean() + self.l2 * rough

    def data(self, masks, iteration, form="interval"):
        total = 0.0
        for number, (insertion, covering) in enumerate(self.terms):
            cover = torch.stack([enlarged(masks[i], self.x.shape[2:]) for i in covering]).prod(0)
            full, empty = (self.baseline, self.x) if insertion else (self.x, self.baseline)
            if form == "end_point":
                versions = empty + cover * (full - empty)
            else:
                first = (iteration * len(self.terms) + number) * self.points
                noise = self.noise[[(first + s) % len(self.noise) for s in range(self.points)]]
                shares = torch.arange(1, self.points + 1, dtype=torch.float64)[:, None, None, None] / self.points
                versions = empty + shares * cover * (full - empty) + noise
            score = self.probability(versions).mean()
            total = total - score if insertion else total + score
        return total

    def value(self, masks, iteration, form):
        with torch.no_grad():
            return float(self.data(masks, iteration, form) + self.penalty(masks))

    def direction(self, iteration):
        masks = [m.clone().requires_grad_(True) for m in self.masks]
        data = torch.autograd.grad(self.data(masks, iteration), masks)
        penalty = torch.autograd.grad(self.penalty(masks), masks)
        return [(0.5 if self.halved else 1.0) * d + p for d, p in zip(data, penalty)]

    def search(self, iteration, first, form="interval", takes_floor=False):
        gradients = self.direction(iteration)
        before = self.value(self.masks, iteration, form)
        slope = sum(float((g**2).sum()) for g in gradients)
        step = first
        while True:
            candidate = [(m - step * g).clamp(0, 1) for m, g in zip(self.masks, gradients)]
            gap = before - step * 1e-4 * slope - self.value(candidate, iteration, form)
            below = step < 1e-5
            moved = max(float((c - m).abs().max()) for c, m in zip(candidate, self.masks))
            if moved > 3e-4:
                self.closest = min(self.closest, abs(gap))
            if gap >= 0 or (below and takes_floor):
                self.masks = candidate
                return step
            if below:
                return 0.0
            step *= 0.2

    def adapt(self, iteration, iterations):
        """lambda1 falls where it holds the mask back (AAAI 2020 code)."""
        if iterations <= 3:
            return
        with torch.no_grad():
            score = float(self.data(self.masks, iteration, "end_point"))
        if iteration == 0:
            self.first_score = score
        for time, change, factor in ((iterations // 2, 1e-3, 0.1), (iterations * 4 // 5, 1e-2, 0.2)):
            if iteration == time:
                gap = change - abs(score - self.first_score)
                self.closest = min(self.closest, abs(gap))
                self.l1 *= factor if gap >= 0 else 1

    def nesterov(self, iterations, step):
        last = None
        for k in range(iterations):
            y = [m - step * g for m, g in zip(self.masks, self.direction(k))]
            momentum = k / (k + 3)
            self.masks = [(a + momentum * (a - b)).clamp(0, 1) for a, b in zip(y, last or y)]
            last = y

    @property
    def product(self):
        return torch.stack(self.masks).prod(0)


# The published weights hold the masks of networks with random weights at 1: their probabilities hardly move.
LOW, LOW_HERE = dict(lambda_l1=0.002, lambda_tv=0.01), dict(l1=0.002, l2=0.01)
DELETION, BOTH = [(False, [0])], [(False, [0]), (True, [0])]
PLUS_PLUS = [(False, [0]), (True, [1]), (False, [0, 1]), (True, [0, 1])]

# Name, method, options of the library, (terms, masks, arguments of Descent, how the masks move).
CASES = [
    ("igos", "i-gos", dict(**LOW), DELETION, 1, dict(**LOW_HERE), dict(first=1000.0)),
    ("igos_aaai20", "i-gos", dict(profile="igos_aaai20", lambda_l1=0.001, lambda_tv=0.01, iterations=5, floor_step="take"), DELETION, 1,
     dict(l1=0.001, l2=0.01), dict(first=200.0, form="end_point", adapts=True, takes_floor=True, iterations=5)),
    ("igos_nag", "i-gos", dict(optimizer="nag", step_init=20, **LOW), DELETION, 1, dict(**LOW_HERE),
     dict(first=20.0, nesterov=True)),
    ("igos+", "i-gos+", dict(**LOW), BOTH, 1, dict(**LOW_HERE, btv="paper"), dict(first=1000.0)),
    ("igos++", "i-gos++", dict(**LOW), PLUS_PLUS, 2, dict(**LOW_HERE, btv="paper"), dict(first=1000.0)),
    ("igos++_repo", "i-gos++", dict(**LOW, btv="igospp_repo", halved=True, floor_step="take"), PLUS_PLUS, 2,
     dict(**LOW_HERE, btv="igospp_repo", halved=True), dict(first=1000.0, takes_floor=True)),
    ("igos++_end_point", "i-gos++", dict(**LOW, line_search_objective="end_point", step_init=200), PLUS_PLUS, 2,
     dict(**LOW_HERE, btv="paper"), dict(first=200.0, form="end_point")),
    ("igos++_nag", "i-gos++", dict(**LOW, optimizer="nag", step_init=20), PLUS_PLUS, 2,
     dict(**LOW_HERE, btv="paper"), dict(first=20.0, nesterov=True)),
]


def descend(maps, image, baseline, noise, size, points, terms, masks, settings, how):
    how = dict(how)
    first, iterations = how.pop("first"), how.pop("iterations", 3)
    descent = Descent(maps.network, maps.x[image:image + 1], maps.targets[image], baseline[image:image + 1], terms, masks, noise, size,
                      points, **settings)
    if how.pop("nesterov", False):
        descent.nesterov(iterations, first)
        return descent, [first] * iterations
    adapts = how.pop("adapts", False)
    steps = []
    for iteration in range(iterations):
        if adapts:
            descent.adapt(iteration, iterations)
        steps.append(descent.search(iteration, first, **how))
    return descent, steps


def noise_like(x, seed):
    generator = torch.Generator().manual_seed(seed)
    return (NOISE * torch.randn(16, *x.shape[1:], generator=generator, dtype=torch.float32)).double()


def igos(maps, size=6, points=4):
    baseline = blur(maps.x, 50.0, 51)
    for seed in range(11, 40):
        noise = noise_like(maps.x, seed)
        found = {case[0]: [descend(maps, image, baseline, noise, size, points, *case[3:]) for image in range(len(maps.x))] for case in CASES}
        closest = min(descent.closest for runs in found.values() for descent, _ in runs)
        if closest > MARGIN:
            break
    assert closest > MARGIN, "rounding may decide otherwise: choose other images"
    print(f"{maps.name}: noise of seed {seed}, closest decision {closest:.1e}")
    maps.keep("noise", noise.numpy())
    for name, method, options, _, masks, *_ in CASES:
        descents = [descent for descent, _ in found[name]]
        print("   ", f"{name:18}", *(",".join(f"{s:.3g}" for s in steps) for _, steps in found[name]))
        shared = dict(mask_size=size, ig_steps=points, iterations=3, noise_samples="@noise")
        results = [("mask", [descent.product for descent in descents])]
        if masks > 1:
            names = ["mask_deletion", "mask_insertion"]
            results += [(result, [descent.masks[index] for descent in descents]) for index, result in enumerate(names)]
        results.append(("map", [1 - enlarged(descent.product, maps.x.shape[2:]) for descent in descents]))
        for result, arrays in results:
            maps.check(method, f"{name}.{result}", torch.stack(arrays)[:, None].numpy(), "derived from the papers' formulas (mask.py)",
                       options={**shared, **options}, result=result)


class Meaningful:
    """Fong & Vedaldi 2017 with torch's Adam; no jitter (a random number in every step), noise given."""

    @staticmethod
    def mask(maps, image, baseline, noise, size, iterations, preserving):
        x, b, target = maps.x[image:image + 1], baseline[image:image + 1], maps.targets[image]
        mask = torch.full((size, size), 0.0 if preserving else 1.0, dtype=torch.float64, requires_grad=True)
        adam = torch.optim.Adam([mask], lr=0.1)
        for iteration in range(iterations):
            cover = enlarged(mask, x.shape[2:])
            version = x * cover + b * (1 - cover) + noise[iteration % len(noise)]
            score = torch.softmax(maps.network(version), 1)[0, target]
            absent = mask.abs().mean() if preserving else (1 - mask).abs().mean()
            rough = ((mask[1:] - mask[:-1]).abs() ** 3).mean() + ((mask[:, 1:] - mask[:, :-1]).abs() ** 3).mean()
            adam.zero_grad()
            ((-score if preserving else score) + 0.01 * absent + 0.2 * rough).backward()
            adam.step()
            with torch.no_grad():
                mask.clamp_(0, 1)
        # The library's mask is small where it matters.
        return 1 - mask.detach() if preserving else mask.detach()


def meaningful(maps, size=6, iterations=5):
    baseline, noise = blur(maps.x, 50.0, 51), torch.from_numpy(maps.tensors["noise"]).double()
    for variant in ("delete", "preserve"):
        masks = [Meaningful.mask(maps, image, baseline, noise, size, iterations, variant == "preserve") for image in range(len(maps.x))]
        options = dict(mask_size=size, iterations=iterations, jitter=0, variant=variant, noise_samples="@noise")
        maps.check("meaningful-perturbation", f"meaningful_{variant}.mask", torch.stack(masks)[:, None].numpy(),
                   "derived from Fong & Vedaldi 2017 (mask.py)", options=options, result="mask")


class Extremal:
    """Fong, Patrick & Vedaldi 2019: every lattice point in a window around each pixel, written out, gradients by autograd."""

    def __init__(self, maps, image, start, step, sigma, variant, area, perturbation, levels=4, max_blur=3.0):
        self.maps, self.variant, self.area = maps, variant, area
        x = maps.x[image:image + 1]
        self.target = maps.targets[image]
        height, width = x.shape[2:]
        rows, columns = -(-height // step), -(-width // step)
        radius = min(1 + int(np.ceil(sigma / step)), max(rows, columns))
        self.lattice = start
        v, u = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
        self.bumps, self.points = [], []
        for down in range(-radius, radius + 1):
            for right in range(-radius, radius + 1):
                y, across = v // step + down, u // step + right
                distance = np.hypot(v - step * y, u - step * across) / sigma
                inside = (0 <= y) & (y < rows) & (0 <= across) & (across < columns)
                bump = np.exp(-2 * np.maximum(distance - 0.5, 0) ** 2) * inside
                self.bumps.append(torch.tensor(bump))
                self.points.append(torch.tensor(np.where(inside, y * columns + across, 0)))
        if perturbation == "fade":
            self.pyramid = torch.cat([torch.zeros_like(x), x])
        else:
            strengths = [max_blur * (1 - level / (levels - 1)) for level in range(levels)]
            self.pyramid = torch.cat([blur(x, s, 2 * int(np.ceil(4 * s)) + 1) if s > 0 else x for s in strengths])

    def mask(self, lattice):
        f = torch.stack([bump * lattice.reshape(-1)[points] for bump, points in zip(self.bumps, self.points)])
        return (f * torch.softmax(20 * f, 0)).sum(0)

    def version(self, mask):
        last = len(self.pyramid) - 1
        level = (mask * last).floor().clamp(0, last).long().detach()
        share = mask * last - level
        planes = torch.arange(self.pyramid.shape[1])[:, None, None]
        y, x = torch.meshgrid(torch.arange(mask.shape[0]), torch.arange(mask.shape[1]), indexing="ij")
        low = self.pyramid[level[None], planes, y[None], x[None]]
        high = self.pyramid[(level + 1).clamp(max=last)[None], planes, y[None], x[None]]
        return ((1 - share) * low + share * high)[None]

    def climb(self, iterations, rate, weight=300.0):
        velocity = None
        for iteration in range(iterations):
            lattice = self.lattice.clone().requires_grad_(True)
            mask = self.mask(lattice)

            def score(shown):
                version = self.version(shown)
                if iteration % 2 == 0:
                    version = version.flip(3)
                return self.maps.network(version)[0, self.target]

            reward = 0.0
            if self.variant != "delete":
                reward = reward + score(mask)
            if self.variant != "preserve":
                reward = reward - score(1 - mask)
            values = mask.reshape(-1).sort(stable=True)[0]
            reference = (torch.arange(len(values)) >= int(len(values) * (1 - self.area))).double()
            gradient = torch.autograd.grad(reward - weight * ((values - reference) ** 2).mean(), lattice)[0]
            velocity = gradient if velocity is None else 0.9 * velocity + 0.1 * gradient
            self.lattice = (self.lattice + rate * velocity).clamp(0, 1)
            weight *= 1.0035
        return self.mask(self.lattice)


def extremal(maps, iterations=6):
    # A lattice of ones gives equal mask values, whose order in the area's constraint would be a matter of rounding.
    rows, columns = (-(-side // 3) for side in maps.x.shape[2:])
    start = (0.3 + 0.7 * torch.rand(rows, columns, generator=torch.Generator().manual_seed(3))).float()
    maps.keep("start", start.numpy())
    common = dict(step=3, sigma=4, num_levels=4, max_blur=3, iterations=iterations, learning_rate=0.05, start="@start")
    for variant, area, perturbation in (("preserve", 0.3, "blur"), ("delete", 0.2, "blur"), ("dual", 0.25, "fade")):
        masks = [Extremal(maps, image, start.double(), 3, 4.0, variant, area, perturbation).climb(iterations, 0.05) for image in range(len(maps.x))]
        maps.check("extremal-perturbation", f"extremal_{variant}.map", torch.stack(masks)[:, None].numpy(),
                   "derived from Fong, Patrick & Vedaldi 2019 (mask.py)",
                   options=dict(**common, variant=variant, areas=area, perturbation=perturbation), result="map")


def main():
    torch.set_num_threads(1)
    for case in ("cnn", "vit", "residual"):
        maps = golden.Maps("mask", case, LIBRARIES)
        igos(maps)
        meaningful(maps)
        extremal(maps)
        maps.write()


if __name__ == "__main__":
    main()
