internal import Glibc
internal import Tensors

/// Silu: `y = x / (1 + exp(-x))`, made by the pass `fuse-silu` from `x * Sigmoid(x)`.
enum Silu {
    static let operators = [
        Elementwise.real("Silu", { x, _ in x / (1 + exp(-x)) }) { g, n, dy in
            guard let dy = dy[0] else { return [nil] }
            // y' = s + y (1 - s), where s = sigmoid(x).
            let s = try g.emit("Sigmoid", [g.input(n, 0)])
            return [try g.mul(dy, g.add(s, g.sub(g.output(n), g.mul(g.output(n), s))))]
        }
    ]
}
