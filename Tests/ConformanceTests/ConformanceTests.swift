import Foundation
import Testing

/// ONNX's backend series, on every backend, with and without passes.
@Suite struct ConformanceTests {
    private let isFiltered = ProcessInfo.processInfo.environment["PELLUCID_CASES"] != nil

    @Test func seriesIsInstalled() {
        #expect(isFiltered || Trial.all.count > 1000, "no cases in \(Case.data.path): install libonnx-testdata, as .ci/packages does")
    }

    @Test(arguments: Case.allSeries) func casesPassUnlessListed(_ series: String) throws {
        try check(series, .skip, \.problems)
    }

    /// Input gradients of the sum of each output: the backends agree, or refuse in words.
    @Test(arguments: Case.allSeries) func gradientsAreFiniteUnlessListed(_ series: String) throws {
        try check(series, .gradient, \.gradientProblems)
    }

    private func check(_ series: String, _ kind: Manifest.Kind, _ problems: (Trial) -> [String]) throws {
        let manifest = try Manifest()
        for trial in Trial.all where trial.series == series {
            let found = problems(trial), skip = manifest.skip(trial.name, kind)
            if found.isEmpty, let skip {
                Issue.record("\(trial.name) passes: take it off the list (line \(skip.line): \(skip.text))")
            } else if !found.isEmpty, skip == nil {
                Issue.record("\(trial.name): \(found.joined(separator: "\n    "))")
            }
        }
    }

    @Test func listNamesOnlyWhatThereIs() throws {
        guard !isFiltered else { return }
        for skip in try Manifest().skips {
            #expect(Trial.all.contains { skip.pattern.matches($0.name) }, "line \(skip.line): no case matches \(skip.text)")
        }
    }

    @Test(arguments: Case.allSeries) func countOnlyGrows(_ series: String) throws {
        guard !isFiltered else { return }
        let trials = Trial.all.filter { $0.series == series }
        let passing = trials.filter(\.passes).count
        let minimum = try Manifest().minimum[series] ?? 0
        print("conformance: \(series): \(passing) of \(trials.count) cases pass")
        #expect(passing == minimum, "\(passing) cases of \(series) pass, manifest.txt says \(minimum): the number there may only grow")
    }
}
