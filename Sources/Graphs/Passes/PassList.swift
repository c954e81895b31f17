internal import Tensors

/// The passes of this library, in the order they run.
package enum PassList {
    /// What does not depend on shapes; run once per model.
    package static let beforeDifferentiation: [Pass] = [
        .unroll, .inlineIf, .removeIdentity, .constantFolding, .commonSubexpressions, .recognizeLayerNorm, .recognizeGelu, .foldBatchNorm,
        .deadCode,
    ]

    /// What makes the structure of a network plain to read.
    package static let recognition: [Pass] = [.removeIdentity, .constantFolding, .recognizeLayerNorm, .recognizeGelu, .deadCode]

    /// For one plan, when shapes are known and the derivative has been added.
    package static let afterDifferentiation: [Pass] = [
        .inlineIf, .einsumToMatMul, .removeIdentity, .constantFolding, .commonSubexpressions, .deadCode, .fuseSilu, .fuseActivation,
    ]

    /// Always run last: backends only ever see explicit pads.
    private static let required: [Pass] = [.explicitPads]

    /// Passes by option text: `all`, `none`, a list of names, or names with `-` in front that leave those out of all.
    package static func select(_ text: String, from passes: [Pass]) throws -> [Pass] {
        if text == "all" { return passes }
        if text == "none" || text.isEmpty { return [] }
        let words = text.split(separator: ",").map { String($0.drop { $0 == " " }) }
        let known = Set((beforeDifferentiation + afterDifferentiation).map(\.name))
        for word in words {
            let name = word.hasPrefix("-") ? String(word.dropFirst()) : word
            guard known.contains(name) else {
                throw Failure.invalid("option 'passes': no pass '\(name)'; known are \(known.sorted().joined(separator: ", "))")
            }
        }
        let left = Set(words.filter { $0.hasPrefix("-") }.map { String($0.dropFirst()) })
        let kept = Set(words.filter { !$0.hasPrefix("-") })
        return passes.filter { kept.isEmpty ? !left.contains($0.name) : kept.contains($0.name) }
    }

    /// Runs the passes until none changes the graph, a few times at most, then those that backends rely on.
    package static func run(_ passes: [Pass], on graph: inout Graph, context: PassContext) throws {
        for _ in 0..<4 {
            var changed = false
            for pass in passes where try pass.apply(&graph, context) {
                changed = true
                #if DEBUG
                    do { try graph.validate(operators: context.operators) } catch let failure as Failure {
                        throw failure.at("after pass \(pass.name)")
                    }
                #endif
            }
            if !changed { break }
        }
        for pass in required { _ = try pass.apply(&graph, context) }
    }
}
