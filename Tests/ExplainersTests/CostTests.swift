import Explainers
import Foundation
import Runtime
import Tensors
import Testing

/// The estimate of what a method takes, against what the manifest counted.
@Suite struct CostTests {
    private struct Account: Decodable, Equatable {
        let forwards: Int
        let backwards: Int
        let peak_bytes: Int
    }

    /// Methods that end when they have found what they search for: the estimate is what they take at most.
    private static let searching: Set = ["i-gos", "i-gos+", "i-gos++", "sag"]
    /// Options that keep long methods short; the estimate is proportional to them.
    private static let short: [String: [String: Options.Entry]] = [
        "meaningful-perturbation": ["iterations": .integer(5)],
        "extremal-perturbation": ["iterations": .integer(5)],
        "i-gos": ["iterations": .integer(2), "ig_steps": .integer(3)],
        "i-gos+": ["iterations": .integer(2), "ig_steps": .integer(3)],
        "i-gos++": ["iterations": .integer(2), "ig_steps": .integer(3)],
    ]

    private let golden: GoldenCase
    private let model: Model
    private let x: Tensor

    init() throws { try self.init("cnn") }

    private init(_ network: String) throws {
        golden = try GoldenCase(network)
        model = try golden.model()
        x = try golden.tensor("x")
    }

    private func options(_ entries: [String: Options.Entry]) -> Options {
        var options = Options()
        for (name, value) in entries { options[name] = value }
        return options
    }

    private func counted(_ method: String, _ entries: [String: Options.Entry], _ target: Target) throws -> Account {
        let explanation = try MethodList.explain(
            method, model: model, feeds: [golden.input: x], target: target, options: options(entries), control: Control())
        return try JSONDecoder().decode(Account.self, from: Data(explanation.manifest.utf8))
    }

    private func estimated(_ method: String, _ entries: [String: Options.Entry], _ target: Target) throws -> Cost {
        try MethodList.cost(method, model: model, feeds: [golden.input: x], target: target, options: options(entries))
    }

    private func check(_ method: String, _ entries: [String: Options.Entry] = [:], _ target: Target = Target()) throws {
        let cost = try estimated(method, entries, target)
        let account = try counted(method, entries, target)
        if CostTests.searching.contains(method) {
            #expect(account.forwards <= cost.forwards && account.backwards <= cost.backwards && account.peak_bytes <= cost.bytes)
        } else {
            #expect(account == Account(forwards: cost.forwards, backwards: cost.backwards, peak_bytes: cost.bytes), "\(method) \(entries)")
        }
        #expect((cost.flops ?? 0) > 0)
    }

    @Test(arguments: MethodList.explainers.map { $0.method.name })
    func estimatesAreWhatIsCounted(_ method: String) throws {
        let tests = try MethodList.find(method).method.needs.contains(.attention) ? try CostTests("vit") : self
        // Constant channels are skipped, of which a layer in front of its rectifier has none.
        let skips = ["score-cam", "ss-cam", "is-cam"].contains(method)
        let layer: [String: Options.Entry] = skips ? ["layer": .text(golden.layer("conv2", in: "model.onnx"))] : [:]
        var short = layer.merging(CostTests.short[method] ?? [:]) { $1 }
        // Each count in the estimate stands for one in the account, however many there are.
        for parameter in try MethodList.find(method).method.parameters where ["n_samples", "nb_design"].contains(parameter.name) {
            short[parameter.name] = .integer(19)
        }
        try tests.check(method, short)
        try tests.check(method, short, Target(.index(3)))
        try tests.check(method, short.merging(["batch_size": .integer(1)]) { $1 })
        try tests.check(method, short.merging(["memory": .integer(1)]) { $1 })
    }

    @Test func estimatesFollowOptions() throws {
        try check("smoothgrad", ["n_samples": .integer(37), "batch_size": .integer(5)])
        try check("integrated-gradients", ["n_steps": .integer(21), "batch_size": .integer(4)])
        try check("guided-backprop", ["neuron_layer": .text(golden.output), "unit": .text("3")])
        try check("saliency", ["layer": .text(golden.layer("relu1", in: "model.onnx"))])
        try check("integrated-gradients", ["layer": .text(golden.layer("relu1", in: "model.onnx")), "n_steps": .integer(5)])
        let noise: [String: Options.Entry] = ["smooth_samples": .integer(5), "batch_size": .integer(2), "n_steps": .integer(3)]
        try check("integrated-gradients", noise)
        let layer = noise.merging(["layer": .text(golden.layer("relu1", in: "model.onnx"))]) { $1 }
        try check("integrated-gradients", layer)
        try check("integrated-gradients", layer.merging(["noise_at": .text("layer")]) { $1 })
    }

    @Test func methodsThatEndEarlyTakeNoMoreThanTheEstimate() throws {
        let entries: [String: Options.Entry] = ["n_steps": .integer(2), "tolerance": .real(0.05), "max_steps": .integer(64)]
        let cost = try estimated("integrated-gradients", entries, Target())
        let account = try counted("integrated-gradients", entries, Target())
        #expect(account.forwards <= cost.forwards && account.backwards <= cost.backwards)
        // Two images and the step counts 2, 4, … 64, with a forward for the baseline and one for the score.
        #expect(cost.backwards == 2 * 126 && cost.forwards == 2 * 128)
    }

    /// An estimate for a million samples takes no longer than one for a few.
    @Test func estimatesRunNothing() throws {
        let start = Date()
        let cost = try estimated("smoothgrad", ["n_samples": .integer(1_000_000)], Target())
        #expect(cost.forwards == 2 * 1_000_001)
        #expect(Date().timeIntervalSince(start) < 5)
    }

    @Test func aModelsCostIsPerImage() throws {
        let one = try model.cost(feeds: [:])
        let two = try model.cost(feeds: [golden.input: x])
        #expect(one.forwards == 1 && one.backwards == 0 && two.forwards == 2)
        #expect(try #require(two.flops) == 2 * (try #require(one.flops)))
        #expect(one.bytes > 0 && two.bytes > one.bytes)
    }
}
