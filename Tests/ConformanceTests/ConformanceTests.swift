import Foundation
import Testing

/// ONNX's backend series, on every backend, with and without passes.
@Suite struct ConformanceTests {
    private let isFiltered = ProcessInfo.processInfo.environment["PELLUCID_CASES"] != nil

    @Test func seriesIsInstalled() {
        #expect(isFiltered || Trial.all.count > 1000, "no cases in \(Case.data.path): install libonnx-testdata, as .ci/packages does")
    }

    @Test(arguments: Case.allSeries) func casesPassUnlessListed(_ series: String) throws {
        let manifest = try Manifest()
        for trial in Trial.all where trial.series == series {
            let skip = manifest.skip(trial.name)
            if trial.passes, let skip { Issue.record("\(trial.name) passes: take it off the list (line \(skip.line): \(skip.text))") }
            if !trial.passes, skip == nil { Issue.record("\(trial.name): \(trial.problems.joined(separator: "\n    "))") }
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
        #expect(passing == minimum, "\(passing) cases of \(series) pass: manifest.txt says \(minimum); if these are more, write it there")
    }

    @Test(arguments: Case.allSeries) func gradientsAreComputedOrRefused(_ series: String) {
        for trial in Trial.all where trial.series == series && !trial.gradientProblems.isEmpty {
            Issue.record("\(trial.name): \(trial.gradientProblems.joined(separator: "\n    "))")
        }
    }
}
