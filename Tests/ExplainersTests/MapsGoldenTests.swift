import Explainers
import Foundation
import Runtime
import Tensors
import Testing

/// Every method against its reference implementation: the folders of `Tests/Golden/maps`, one per family and network.
@Suite struct MapsGoldenTests {
    /// The folders, as `cam/vit`.
    private static let cases: [String] = {
        let home = GoldenCase.home.appendingPathComponent("maps")
        let families = (try? FileManager.default.contentsOfDirectory(atPath: home.path)) ?? []
        return families.sorted().flatMap { family in
            let networks = (try? FileManager.default.contentsOfDirectory(atPath: home.appendingPathComponent(family).path)) ?? []
            return networks.sorted().map { "\(family)/\($0)" }
        }
    }()

    @Test(arguments: cases) func agreesWithTheReference(_ name: String) throws {
        let golden = try GoldenCase(folder: "maps/\(name)")
        for file in golden.models {
            let model = try golden.model(file)
            for check in golden.checks {
                let result = try MethodList.explain(
                    check.what, model: model, feeds: [golden.input: golden.tensor("x")],
                    target: Target(.each(check.target ?? golden.targets), score: Target.Score(rawValue: check.score ?? "auto") ?? .auto),
                    options: try options(check, golden, file), control: Control())
                let got = try #require(result.tensors[check.result ?? "map"], "\(name) \(check.tensor)")
                let expected = try golden.tensor(check.tensor)
                let gap = try difference(got.count == expected.count ? got.reshaped(expected.shape) : got, expected)
                #expect(gap < check.tolerance ?? 1e-3, "\(name) \(check.tensor) (\(check.what)): \(gap)")
            }
        }
    }

    private func options(_ check: GoldenCase.Check, _ golden: GoldenCase, _ file: String) throws -> Options {
        var options = Options()
        for (name, setting) in check.options ?? [:] {
            let text = setting.text
            if text.hasPrefix("@") {
                options[name] = .tensor(try golden.tensor(String(text.dropFirst())))
            } else if ["layer", "layers", "neuron_layer"].contains(name) {
                options[name] = .text(text.split(separator: ",").map { golden.layer(String($0), in: file) }.joined(separator: ","))
            } else {
                options[name] = .text(text)
            }
        }
        return options
    }
}
