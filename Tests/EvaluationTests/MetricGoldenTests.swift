import Foundation
import Tensors
import Testing

/// Metrics against reference implementations: the folders of `Tests/Golden/metrics`.
@Suite struct MetricGoldenTests {
    @Test(arguments: ["cnn", "vit"]) func agreesWithTheReference(_ network: String) throws {
        let golden = try GoldenModel(folder: "metrics/\(network)")
        #expect(golden.checks.count > 15)
        for check in golden.checks {
            let result = try golden.evaluate(check)
            let got = try #require(result.tensors[check.result ?? "values"], "\(check.tensor)").doubles()
            let expected = try golden.tensor(check.tensor).doubles()
            let scale = expected.map(abs).max() ?? 1
            let gap = zip(got, expected).map { abs($0 - $1) }.max() ?? 0
            #expect(
                got.count == expected.count && gap <= (check.tolerance ?? 1e-3) * max(scale, 1e-30),
                "\(network) \(check.tensor) (\(check.what)): \(gap) of \(scale)")
        }
    }
}
