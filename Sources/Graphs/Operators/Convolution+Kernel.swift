internal import Tensors

/// Reference kernels of the convolutions, in double. Planes are re-arranged by `Phases`, after which every tap of the
/// window is one multiplication of a contiguous run.
struct ConvKernel {
    private let geometry: ConvGeometry
    private let phases: Phases
    private let channels: Int, filters: Int

    init(_ geometry: ConvGeometry) throws {
        self.geometry = geometry
        phases = try Phases(geometry.axes)
        channels = geometry.inChannels / geometry.groups
        filters = geometry.outChannels / geometry.groups
    }

    private var taps: Int { phases.taps.count }

    /// Y from X and W.
    func forward(_ x: Tensor, _ w: Tensor, bias: [Double]?) throws -> Tensor {
        let result = try Tensor.empty(.float64, geometry.output)
        guard result.count > 0 else { return result }
        try transform(x, w, into: result) { x, w, y in
            let planes = try Scratch(channels, phases.size), sums = try Scratch(1, phases.run)
            let offsets = (0..<channels).flatMap { c in phases.taps.map { c * phases.size + $0 } }
            for image in 0..<geometry.batch * geometry.groups {
                let group = image % geometry.groups
                for c in 0..<channels {
                    phases.arrange(x + (image * channels + c) * phases.inputCount, into: planes.start + c * phases.size)
                }
                for f in 0..<filters {
                    sums.fill(bias?[group * filters + f] ?? 0)
                    accumulate(w + (group * filters + f) * offsets.count, offsets, planes.start, sums.start)
                    phases.gather(sums.start, into: y + (image * filters + f) * phases.outputCount)
                }
            }
        }
        return result
    }

    /// Adds every weight times its run, block by block so that the sums stay in the nearest cache.
    private func accumulate(
        _ w: UnsafePointer<Double>, _ offsets: [Int], _ planes: UnsafePointer<Double>, _ sums: UnsafeMutablePointer<Double>
    ) {
        offsets.withUnsafeBufferPointer { offsets in
            for block in stride(from: 0, to: phases.run, by: 1024) {
                let length = min(1024, phases.run - block)
                let from = planes + block, to = sums + block
                var j = 0
                while j + 4 <= offsets.count {
                    addScaled(
                        length, SIMD4(w[j], w[j + 1], w[j + 2], w[j + 3]), from + offsets[j], from + offsets[j + 1], from + offsets[j + 2],
                        from + offsets[j + 3], to)
                    j += 4
                }
                while j < offsets.count {
                    addScaled(length, w[j], from + offsets[j], to)
                    j += 1
                }
            }
        }
    }

    /// X's gradient from Y's and W; with a bias, the transposed convolution.
    func gradInput(_ dy: Tensor, _ w: Tensor, bias: [Double]?) throws -> Tensor {
        let result = try Tensor.zeros(.float64, geometry.input)
        guard result.count > 0 else { return result }
        try transform(dy, w, into: result) { dy, w, dx in
            let runs = try Scratch(filters, phases.run), sums = try Scratch(1, phases.size)
            for image in 0..<geometry.batch * geometry.groups {
                let group = image % geometry.groups
                for f in 0..<filters { phases.spread(dy + (image * filters + f) * phases.outputCount, into: runs.start + f * phases.run) }
                for c in 0..<channels {
                    sums.fill(0)
                    scatter(w + (group * filters * channels + c) * taps, runs.start, sums.start)
                    let target = dx + (image * channels + c) * phases.inputCount
                    phases.restore(sums.start, into: target, add: bias?[group * channels + c] ?? 0)
                }
            }
        }
        return result
    }

    /// Adds the runs of all filters, times the weights for one channel, to the places that the taps came from.
    private func scatter(_ w: UnsafePointer<Double>, _ runs: UnsafePointer<Double>, _ sums: UnsafeMutablePointer<Double>) {
        let step = channels * taps, run = phases.run
        var f = 0
        while f + 4 <= filters {
            let at = w + f * step, from = runs + f * run
            for t in 0..<taps {
                let weights = SIMD4(at[t], at[t + step], at[t + 2 * step], at[t + 3 * step])
                addScaled(run, weights, from, from + run, from + 2 * run, from + 3 * run, sums + phases.taps[t])
            }
            f += 4
        }
        while f < filters {
            for t in 0..<taps { addScaled(run, w[f * step + t], runs + f * run, sums + phases.taps[t]) }
            f += 1
        }
    }

    /// W's gradient from X and Y's gradient.
    func gradWeight(_ x: Tensor, _ dy: Tensor) throws -> Tensor {
        let result = try Tensor.zeros(.float64, geometry.weight)
        guard result.count > 0, dy.count > 0 else { return result }
        try transform(x, dy, into: result) { x, dy, dw in
            let planes = try Scratch(channels, phases.size), run = try Scratch(1, phases.run)
            for image in 0..<geometry.batch * geometry.groups {
                let group = image % geometry.groups
                for c in 0..<channels {
                    phases.arrange(x + (image * channels + c) * phases.inputCount, into: planes.start + c * phases.size)
                }
                for f in 0..<filters {
                    phases.spread(dy + (image * filters + f) * phases.outputCount, into: run.start)
                    let target = dw + (group * filters + f) * channels * taps
                    for c in 0..<channels {
                        for t in 0..<taps {
                            target[c * taps + t] += dot(phases.run, run.start, planes.start + c * phases.size + phases.taps[t])
                        }
                    }
                }
            }
        }
        return result
    }

    private func transform(
        _ a: Tensor, _ b: Tensor, into result: Tensor,
        _ body: (UnsafePointer<Double>, UnsafePointer<Double>, UnsafeMutablePointer<Double>) throws -> Void
    ) throws {
        try a.read(Double.self) { a in
            try b.read(Double.self) { b in
                try result.write(Double.self) { result in
                    guard let target = result.baseAddress else { return }
                    // An empty operand has no address, and no element of it is read.
                    try body(a.baseAddress ?? UnsafePointer(target), b.baseAddress ?? UnsafePointer(target), target)
                }
            }
        }
    }
}

/// Working memory of a kernel.
private struct Scratch {
    private let tensor: Tensor
    let start: UnsafeMutablePointer<Double>

    init(_ rows: Int, _ columns: Int) throws {
        tensor = try .zeros(.float64, [max(rows, 1), max(columns, 1)])
        guard let start = tensor.start?.assumingMemoryBound(to: Double.self) else { throw Failure.memory("cannot allocate working memory") }
        self.start = start
    }

    func fill(_ value: Double) { start.update(repeating: value, count: tensor.count) }
}

/// How a plane is laid out so that stride, dilation and padding disappear: elements whose padded positions are equal
/// modulo the stride lie together in one sub-plane of `pitch` elements per row. A tap is then an offset, and the whole
/// output plane (with the columns between its rows) one run from there.
struct Phases {
    private let axes: [WindowAxis]
    /// Remainders modulo the stride that some tap has, per axis.
    private let used: [[Int]]
    private let pitch: [Int]
    /// Offset of each tap, in the weight's order.
    let taps: [Int]
    /// Elements from the first to the last output.
    let run: Int
    /// Elements of a re-arranged plane.
    let size: Int
    let inputCount: Int
    let outputCount: Int

    init(_ axes: [WindowAxis]) throws {
        let axes = try axes.volume()
        guard try Shape.count(axes.map(\.kernel)) <= 1 << 24 else {
            throw Failure.unsupported("window of \(Shape.text(axes.map(\.kernel))) elements")
        }
        let used = axes.map { axis in Array(Set((0..<min(axis.kernel, axis.stride)).map { $0 * axis.dilation % axis.stride })).sorted() }
        let pitch = axes.map { $0.output + ($0.kernel - 1) * $0.dilation / $0.stride }
        let plane = try Shape.count(pitch)
        size = try Shape.count(pitch + used.map(\.count))
        var taps: [Int] = []
        for i in 0..<axes[0].kernel {
            for j in 0..<axes[1].kernel {
                for k in 0..<axes[2].kernel {
                    var phase = 0, offset = 0
                    for (axis, tap) in [i, j, k].enumerated() {
                        let position = tap * axes[axis].dilation
                        phase = phase * used[axis].count + (used[axis].firstIndex(of: position % axes[axis].stride) ?? 0)
                        offset = offset * pitch[axis] + position / axes[axis].stride
                    }
                    taps.append(phase * plane + offset)
                }
            }
        }
        self.axes = axes
        self.used = used
        self.pitch = pitch
        self.taps = taps
        inputCount = try Shape.count(axes.map(\.input))
        outputCount = try Shape.count(axes.map(\.output))
        run = outputCount == 0 ? 0 : ((axes[0].output - 1) * pitch[1] + axes[1].output - 1) * pitch[2] + axes[2].output
    }

    /// Calls `body` for every row of every sub-plane that holds input elements: its place in the sub-planes, its place
    /// in the input, and how many elements it has (`stride` apart in the input).
    private func rows(_ body: (Int, Int, Int) -> Void) {
        var base = 0
        for p0 in used[0] {
            for p1 in used[1] {
                for p2 in used[2] {
                    let columns = inside(2, p2)
                    for q0 in inside(0, p0) {
                        for q1 in inside(1, p1) where !columns.isEmpty {
                            let row = (position(0, p0, q0) * axes[1].input + position(1, p1, q1)) * axes[2].input
                            let place = base + (q0 * pitch[1] + q1) * pitch[2] + columns.lowerBound
                            body(place, row + position(2, p2, columns.lowerBound), columns.count)
                        }
                    }
                    base += pitch[0] * pitch[1] * pitch[2]
                }
            }
        }
    }

    private func position(_ axis: Int, _ phase: Int, _ q: Int) -> Int { q * axes[axis].stride + phase - axes[axis].begin }

    /// Entries of a sub-plane along an axis that are elements of the input, not padding.
    private func inside(_ axis: Int, _ phase: Int) -> Range<Int> {
        let shift = axes[axis].begin - phase, step = axes[axis].stride
        let first = shift <= 0 ? 0 : (shift + step - 1) / step
        let room = axes[axis].input + shift
        let last = room <= 0 ? 0 : min(pitch[axis], (room - 1) / step + 1)
        return first < last ? first..<last : 0..<0
    }

    /// Input plane to sub-planes. Padding keeps what the target holds, which is 0.
    func arrange(_ from: UnsafePointer<Double>, into to: UnsafeMutablePointer<Double>) {
        let step = axes[2].stride
        rows { place, row, count in for i in 0..<count { to[place + i] = from[row + i * step] } }
    }

    /// Sub-planes to input plane, plus a number.
    func restore(_ from: UnsafePointer<Double>, into to: UnsafeMutablePointer<Double>, add bias: Double) {
        let step = axes[2].stride
        for i in 0..<inputCount { to[i] = bias }
        rows { place, row, count in for i in 0..<count { to[row + i * step] += from[place + i] } }
    }

    /// Rows of the output out of a run.
    func gather(_ from: UnsafePointer<Double>, into to: UnsafeMutablePointer<Double>) {
        outputRows { place, row in (to + row).update(from: from + place, count: axes[2].output) }
    }

    /// Rows of the output into a run. What lies between keeps what the target holds, which is 0.
    func spread(_ from: UnsafePointer<Double>, into to: UnsafeMutablePointer<Double>) {
        outputRows { place, row in (to + place).update(from: from + row, count: axes[2].output) }
    }

    private func outputRows(_ body: (Int, Int) -> Void) {
        for i in 0..<axes[0].output {
            for j in 0..<axes[1].output { body((i * pitch[1] + j) * pitch[2], (i * axes[1].output + j) * axes[2].output) }
        }
    }
}

/// y += w x
private func addScaled(_ count: Int, _ w: Double, _ x: UnsafePointer<Double>, _ y: UnsafeMutablePointer<Double>) {
    for i in 0..<count { y[i] += w * x[i] }
}

/// y += w₀ a + w₁ b + w₂ c + w₃ d: four taps for one pass over the sums.
private func addScaled(
    _ count: Int, _ w: SIMD4<Double>, _ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, _ c: UnsafePointer<Double>,
    _ d: UnsafePointer<Double>, _ y: UnsafeMutablePointer<Double>
) {
    let (w0, w1, w2, w3) = (w[0], w[1], w[2], w[3])
    for i in 0..<count { y[i] += w0 * a[i] + w1 * b[i] + w2 * c[i] + w3 * d[i] }
}

/// Σ x y, in four partial sums.
private func dot(_ count: Int, _ x: UnsafePointer<Double>, _ y: UnsafePointer<Double>) -> Double {
    var s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0
    var i = 0
    while i + 4 <= count {
        s0 += x[i] * y[i]
        s1 += x[i + 1] * y[i + 1]
        s2 += x[i + 2] * y[i + 2]
        s3 += x[i + 3] * y[i + 3]
        i += 4
    }
    while i < count { s0 += x[i] * y[i]; i += 1 }
    return s0 + s1 + s2 + s3
}
