import Graphs
import Tensors
import Testing

/// What every operator of the library must fulfil on each of its samples.
@Suite struct OperatorTests {
    /// All but the one that stands for what cannot be computed.
    static let names = OperatorSet.standard.all.map(\.name).filter { $0 != "Impossible" }

    private func each(_ name: String, _ body: (Operator, Int) throws -> Void) throws {
        let op = try #require(OperatorSet.standard[name])
        for index in op.samples.indices {
            do { try body(op, index) } catch { Issue.record("\(name) sample \(index): \(error)") }
        }
    }

    @Test(arguments: names) func hasSamples(_ name: String) throws {
        let op = try #require(OperatorSet.standard[name])
        #expect(!op.samples.isEmpty)
    }

    /// Inference and kernel agree on the types of all outputs.
    @Test(arguments: names) func computesWhatItInfers(_ name: String) throws {
        try each(name) { op, index in
            let trial = try Trial(op, sample: index)
            for (output, result) in zip(trial.outputs, try trial.run()) {
                guard let type = trial.graph[output].type else { throw Mismatch("type of output \(output.index) is not inferred") }
                try check(type, result, symbols: [:], place: "output")
            }
        }
    }

    /// Sizes that are only symbols never contradict the sizes that come out.
    @Test(arguments: names) func infersWithSymbols(_ name: String) throws {
        try each(name) { op, index in
            for sizes in [Sizes.shared, .distinct] {
                let trial = try Trial(op, sample: index, sizes: sizes)
                for (output, result) in zip(trial.outputs, try trial.run()) {
                    guard let type = trial.graph[output].type else { continue }
                    try check(type, result, symbols: trial.symbols, place: "output with symbols")
                }
            }
        }
    }

    @Test(arguments: names) func agreesInSinglePrecision(_ name: String) throws {
        try each(name) { op, index in
            let double = try Trial(op, sample: index).run(), single = try Trial(op, sample: index, element: .float32).run()
            for (a, b) in zip(single, double) { try compare(a, b, tolerance: 2e-5, place: "float32") }
        }
    }

    /// An operator from reals to reals has a gradient, or words that say why not.
    @Test(arguments: names) func hasGradientOrReason(_ name: String) throws {
        try each(name) { op, index in
            let trial = try Trial(op, sample: index)
            let isReal = try !trial.reals.isEmpty && trial.run().contains { $0.type.isFloat }
            if isReal, op.vjp == nil, op.noGradient == nil { throw Mismatch("has neither gradient nor reason") }
        }
    }

    @Test(arguments: names) func gradientIsSlope(_ name: String) throws {
        try each(name) { op, index in try Slope(Trial(op, sample: index))?.compare() }
    }

    /// A rule may leave out what nobody asks for, and nothing else.
    @Test(arguments: names) func gradientByOneInputIsTheSame(_ name: String) throws {
        try each(name) { op, index in
            let trial = try Trial(op, sample: index)
            guard trial.reals.count > 1, let all = try Slope(trial)?.analytic() else { return }
            for input in trial.reals.indices {
                let one = try Slope(trial, by: input)?.analytic() ?? []
                for gradient in one { try compare(gradient, all[input], tolerance: 1e-12, place: "gradient by input \(input) alone") }
            }
        }
    }

    /// Gradients computed in float32, and with sizes that were symbols when the rule ran, are the same.
    @Test(arguments: names) func gradientAgreesInSinglePrecisionAndWithSymbols(_ name: String) throws {
        try each(name) { op, index in
            guard let slope = try Slope(Trial(op, sample: index)) else { return }
            let expected = try slope.analytic()
            let single = try Slope(Trial(op, sample: index, element: .float32), element: .float32)?.analytic() ?? []
            for (a, b) in zip(single, expected) { try compare(a, b, tolerance: 2e-4, place: "gradient in float32") }
            do {
                let symbolic = try Slope(Trial(op, sample: index, sizes: .shared))?.analytic() ?? []
                for (a, b) in zip(symbolic, expected) { try compare(a, b, tolerance: 1e-9, place: "gradient with symbols") }
            } catch let refusal as Failure where refusal.kind == .unsupported && gradientNeedsSizes.contains(name) {}
        }
    }

    @Test(arguments: names) func secondGradientIsSlope(_ name: String) throws {
        try each(name) { op, index in
            guard let first = try Slope(Trial(op, sample: index)) else { return }
            do {
                try Slope(second: first)?.compare(tolerance: 1e-5)
            } catch let refusal as Failure where refusal.kind == .unsupported && secondOrderGaps.contains(name) {}
        }
    }
}
