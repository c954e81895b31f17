internal import Tensors

/// All windows of a pool over planes, as numbers. Without `kernel_shape` a window is the whole plane.
struct PoolWindows {
    /// Always three, with axes of one element in front.
    let axes: [WindowAxis]
    let outputShape: [Int]
    let inputCount: Int, outputCount: Int
    private let planes: Int
    /// By axis and output position: the first input element, the one behind the last, per axis in elements of the plane.
    private let spans: [[Span]]

    private struct Span { var first: Int, count: Int }

    /// The elements of one window, as places in its plane.
    struct Window {
        fileprivate let starts: (Int, Int, Int)
        fileprivate let counts: (Int, Int, Int)
        fileprivate let steps: (Int, Int, Int)

        @inline(__always) func forEach(_ body: (Int) -> Void) {
            for i in 0..<counts.0 {
                for j in 0..<counts.1 {
                    let row = starts.0 + i * steps.0 + starts.1 + j * steps.1 + starts.2
                    for k in 0..<counts.2 { body(row + k * steps.2) }
                }
            }
        }
    }

    init(_ c: some NodeReader, input: [Int]) throws {
        guard input.count >= 3 else { throw Failure.shape("input has \(input.count) axes, expected at least 3") }
        let sizes = Array(input[2...])
        let own: [WindowAxis]
        if c.ints("kernel_shape") == nil, c.node.op.hasPrefix("MaxPoolGrad") || c.node.op == "MaxPoolPick" {
            own = sizes.map { WindowAxis(input: $0, output: 1, kernel: max($0, 1)) }
        } else {
            own = try WindowAttributes(c, rank: sizes.count).axes(sizes)
        }
        axes = try own.volume()
        outputShape = input[..<2] + own.map(\.output)
        planes = try Shape.count(Array(input[..<2]))
        inputCount = try Shape.count(sizes)
        outputCount = try Shape.count(own.map(\.output))
        spans = axes.map { axis in
            (0..<axis.output).map { o in
                let taps = axis.taps(o)
                return Span(first: o * axis.stride - axis.begin + taps.lowerBound * axis.dilation, count: taps.count)
            }
        }
    }

    /// Calls `body` with the plane, the place in the output plane and the window.
    @inline(__always) func forEach(_ body: (Int, Int, Window) -> Void) {
        let pitch = (axes[1].input * axes[2].input, axes[2].input)
        let steps = (axes[0].dilation * pitch.0, axes[1].dilation * pitch.1, axes[2].dilation)
        for plane in 0..<planes {
            var o = 0
            for a in spans[0] {
                for b in spans[1] {
                    for c in spans[2] {
                        let starts = (a.first * pitch.0, b.first * pitch.1, c.first)
                        body(plane, o, Window(starts: starts, counts: (a.count, b.count, c.count), steps: steps))
                        o += 1
                    }
                }
            }
        }
    }

    /// Place of the first largest element of a window; NaN is larger than every number. -1: the window is empty.
    @inline(__always) static func maximum(_ x: UnsafeBufferPointer<Double>, _ base: Int, _ window: Window) -> Int {
        var best = -1
        var value = -Double.infinity
        window.forEach { place in
            let candidate = x[base + place]
            if best < 0 || candidate > value || (candidate.isNaN && !value.isNaN) { best = place; value = candidate }
        }
        return best
    }

    /// A place in the input, counted with the first spatial axis innermost in its plane (`storage_order` 1).
    func columnMajor(_ place: Int) -> Int {
        let plane = place / max(inputCount, 1) * inputCount, own = place - plane
        let k = own % axes[2].input, j = own / axes[2].input % axes[1].input, i = own / (axes[2].input * axes[1].input)
        // The front axes of planes with fewer than three have one element, so the order of the others is reversed.
        return plane + (k * axes[1].input + j) * axes[0].input + i
    }
}
