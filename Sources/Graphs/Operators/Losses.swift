internal import Tensors

/// Losses (ONNX NegativeLogLikelihoodLoss 12 to 22, SoftmaxCrossEntropyLoss 12 and 13), by operators that have gradients.
enum Losses {
    static let lowerings = [
        Lowering("NegativeLogLikelihoodLoss", since: 12) { l, n in try lowerLikelihood(&l, n, l.required(n, 0)) },
        Lowering("SoftmaxCrossEntropyLoss", since: 12) { l, n in
            let logs = try l.emit("LogSoftmax", [l.required(n, 0)], ["axis": .int(1)])
            if let output = n.output(1) { try l.emit("Identity", [logs], to: [output]) }
            try lowerLikelihood(&l, n, logs)
        },
    ]

    /// -w[target] logs[target], and its sum or mean.
    private static func lowerLikelihood(_ l: inout Lowerer, _ n: Node, _ logs: ValueID) throws {
        let given = try l.emit("Cast", [l.required(n, 1)], ["to": .int(Int(ElementType.int64.rawValue))])
        var target = given, isIgnored: ValueID?
        let zero = try l.number(0, like: logs)
        if let ignored = n.attributes["ignore_index"]?.int {
            let mask = try l.emit("Equal", [given, l.constant(Tensor.scalar(Int64(ignored)))])
            isIgnored = mask
            target = try l.emit("Where", [mask, l.constant(Tensor.scalar(Int64(0))), given])
        }
        let picked = try l.emit("GatherElements", [logs, l.unsqueeze(target, [1])], ["axis": .int(1)])
        var loss = try l.emit("Neg", [l.emit("Squeeze", [picked, l.vector([1])])])
        var weights = try n.optional(2).map { try l.emit("Gather", [$0, target]) }
        if let own = weights { loss = try l.emit("Mul", [loss, own]) }
        if let isIgnored {
            loss = try l.emit("Where", [isIgnored, zero, loss])
            weights = try l.emit("Where", [isIgnored, zero, weights ?? l.number(1, like: logs)])
        }
        let reduction = n.attributes["reduction"]?.string ?? "mean", output = [n.output(0)]
        switch (reduction, weights) {
        case ("none", _): try l.emit("Identity", [loss], to: output)
        case ("sum", _): try l.emit("ReduceSum", [loss], to: output, ["keepdims": .int(0)])
        case ("mean", nil): try l.emit("ReduceMean", [loss], to: output, ["keepdims": .int(0)])
        case ("mean", let weights?):
            let total = try l.emit("ReduceSum", [loss], ["keepdims": .int(0)])
            try l.emit("Div", [total, l.emit("ReduceSum", [weights], ["keepdims": .int(0)])], to: output)
        default: throw Failure.invalid("reduction is \(reduction), expected none, sum or mean")
        }
    }
}
