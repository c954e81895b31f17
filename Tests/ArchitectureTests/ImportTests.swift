import Foundation
import Testing

/// The direction of imports that docs/architecture.md promises, read from the sources.
@Suite struct ImportTests {
    private static let allowed: [String: Set<String>] = [
        "Tensors": ["CSupport"],
        "Graphs": ["Tensors", "COnnx", "CSupport"],
        "Runtime": ["Graphs", "Tensors", "BackendCPU", "CSupport", "CPellucid"],
        "Imaging": ["Tensors", "CSupport"],
        "Explainers": ["Runtime", "Imaging", "Graphs", "Tensors"],
        "Evaluation": ["Explainers", "Runtime", "Imaging", "Graphs", "Tensors"],
        "CAPI": ["Evaluation", "Explainers", "Runtime", "Imaging", "Graphs", "Tensors", "CSupport", "CPellucid"],
        "Tool": ["CPellucid", "CAPI", "ArgumentParser"],
        "Dylib": ["CAPI"],
    ]
    private static let system: Set<String> = ["Glibc"]
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private func sources(of target: String) throws -> [URL] {
        let folder = Self.root.appendingPathComponent("Sources/\(target)")
        let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?.compactMap { $0 as? URL } ?? []
        return files.filter { $0.pathExtension == "swift" }
    }

    @Test(arguments: allowed.keys.sorted()) func importsPointDown(_ target: String) throws {
        let files = try sources(of: target)
        #expect(!files.isEmpty)
        for file in files {
            for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
                let words = line.split(separator: " ")
                guard let at = words.firstIndex(of: "import"), at <= 1, words.count == at + 2 else { continue }
                let module = String(words[at + 1])
                #expect(
                    Self.allowed[target]!.contains(module) || Self.system.contains(module), "\(file.lastPathComponent) imports \(module)")
            }
        }
    }

    @Test func everySwiftTargetIsListed() throws {
        let folders = try FileManager.default.contentsOfDirectory(atPath: Self.root.appendingPathComponent("Sources").path)
        for folder in folders where try !sources(of: folder).isEmpty {
            #expect(Self.allowed[folder] != nil, "\(folder) is not in the table")
        }
    }

    @Test func filesStaySmall() throws {
        for target in Self.allowed.keys {
            for file in try sources(of: target) {
                let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false).count
                #expect(lines <= 420, "\(file.lastPathComponent) has \(lines) lines")
            }
        }
    }
}

/// The version stands in five files that no build step can share.
@Suite struct VersionTests {
    @Test func everyFileNamesTheSameVersion() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        func line(_ path: String, _ marker: String) throws -> String {
            let text = try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
            return try #require(text.split(separator: "\n").first { $0.contains(marker) }.map(String.init))
        }
        let places = [
            ("Makefile", "VERSION :="), ("bindings/python/pyproject.toml", "version ="),
            ("bindings/python/pellucid/__init__.py", "__version__"),
            ("Sources/BackendCPU/backend.c", ".version ="), ("Sources/Tensors/Library.swift", "let version"),
        ]
        let versions = try places.map { try line($0.0, $0.1).filter { $0.isNumber || $0 == "." } }.map { $0.drop { $0 == "." } }
        #expect(Set(versions).count == 1, "\(versions)")
    }
}
