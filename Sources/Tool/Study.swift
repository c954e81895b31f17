import ArgumentParser
import CPellucid

/// A comparison of models over images; every finished piece is on disk at once.
struct Study {
    enum Part: String, ExpressibleByArgument {
        case all, counting, crossing
        var counts: Bool { self != .crossing }
        var crosses: Bool { self != .counting }
    }

    /// What was found of one image.
    struct Report {
        let photo: Photo
        let target: Int
        /// By model, in their order.
        let counting: [JSON]
        /// Area under the score of the second model when the first one's map is shown to it.
        let crossing: [[Double]]
    }

    struct Findings {
        var reports: [Report] = []
        var failed = false
    }

    let subjects: [Subject]
    let part: Part
    let jobs: [Job]
    let steps: Int
    let target: Int?
    let folder: String
    let force: Bool
    let progress: Progress

    /// A photo that cannot be read or explained does not stop the others.
    func run(_ photos: [Photo]) throws -> Findings {
        var findings = Findings()
        for photo in photos {
            do {
                findings.reports.append(try report(photo))
            } catch {
                try Interrupt.check()
                progress.clear()
                let text = "\(error)"
                Console.complain(text.hasPrefix(photo.path) ? text : "\(photo.path): \(text)")
                findings.failed = true
            }
        }
        progress.clear()
        guard !findings.reports.isEmpty else { throw ToolError("no image could be studied") }
        return findings
    }

    private func report(_ photo: Photo) throws -> Report {
        let bytes = try Files.read(photo.path)
        if let slash = photo.name.lastIndex(of: "/") { try Files.makeFolder("\(folder)/\(photo.name[..<slash])") }
        let picture = try Picture(bytes, photo.path)
        let inputs = try subjects.map { try picture.preprocessed($0.preparation, $0.frame) }
        let source = JSON.object([("bytes", .integer(bytes.count)), ("crc32", .integer(Int(NumpyArchive.crc(bytes))))])
        let target = try chosenClass(photo, inputs, source)
        let question = JSON.object([
            ("pellucid", .string(Library.version)), ("image", source), ("target", .integer(target)),
        ])
        let files = subjects.map { StudyFile("\(folder)/\(photo.name).\($0.name).json", isFresh: force) }
        var counting: [JSON] = [], crossing: [[Double]] = []
        for (i, subject) in subjects.enumerated() where part.counts {
            progress.begin("counting \(subject.name) \(photo.name)")
            counting.append(try count(subject, inputs[i], target, question, files[i]))
            for _ in 0..<4 { progress.end() }
        }
        for (i, subject) in subjects.enumerated() where part.crosses {
            crossing.append(try cross(subject, i, inputs, target, question, files[i], photo))
        }
        return Report(photo: photo, target: target, counting: counting, crossing: crossing)
    }

    /// The class that all models are asked about.
    private func chosenClass(_ photo: Photo, _ inputs: [Tensor], _ source: JSON) throws -> Int {
        if let target { return target }
        let settings = JSON.object([("image", source), ("models", .array(subjects.map(\.settings)))])
        let file = StudyFile("\(folder)/\(photo.name).json", isFresh: force)
        let found = try file.piece("class", settings) {
            var sums: [Double] = []
            let tops = try zip(subjects, inputs).map { subject, input -> (key: String, value: JSON) in
                guard let prediction = try Prediction(subject.model.run([("", input)]).first) else {
                    throw ToolError("\(subject.model.path): its first output is no classifier's")
                }
                let probabilities = prediction.probabilities
                if sums.isEmpty { sums = probabilities.map { _ in 0 } }
                guard sums.count == probabilities.count else {
                    throw ToolError(
                        "\(subject.name) has \(probabilities.count) classes and \(subjects[0].name) has \(sums.count): they cannot be compared"
                    )
                }
                for i in sums.indices { sums[i] += probabilities[i] }
                return (subject.name, .object(prediction.ranked(1).map { ("class", .integer($0.index)) }))
            }
            let best = sums.indices.max { (sums[$0], $1) < (sums[$1], $0) } ?? 0
            return .object([("class", .integer(best)), ("best", .object(tops))])
        }
        guard let index = found["class"]?.int else { throw ToolError("\(file.path): it has no class") }
        return index
    }

    // MARK: Counting

    private func count(_ subject: Subject, _ input: Tensor, _ target: Int, _ question: JSON, _ file: StudyFile) throws -> JSON {
        let given = jobs.first { $0.method.name == "sag" }?.options ?? []
        let options = [("sub_explanations", "true"), ("draw", "false")] + given
        let settings = JSON.object(
            question.members + [("subject", subject.settings), ("options", .object(options.map { ($0.0, .string($0.1)) }))])
        return try file.piece("counting", settings) {
            let explanation = try Explanation(
                "sag", of: subject.model, input: input, target: target, options: options, progress: progress)
            guard let data = JSON(explanation.manifest)?["data"]?["images"]?.items.first else {
                throw ToolError("\(subject.name): sag gave no data")
            }
            let sets = data["minimal_sets"]?.items ?? []
            let sizes = sets.map { Double($0["patches"]?.items.count ?? 0) }
            return .object([
                ("score", data["score"] ?? .null), ("minimal_sets", .integer(sets.count)),
                ("mean_size", sets.isEmpty ? .null : .number(sizes.reduce(0, +) / Double(sets.count))),
                ("levels", data["sub_explanations"]?["levels"] ?? .array([])),
                ("sub_explanations", data["sub_explanations"]?["counts"] ?? .array([])),
                ("cut", data["sub_explanations"]?["cut"] ?? .bool(false)), ("logic", data["logic"] ?? .null),
            ])
        }
    }

    // MARK: Crossing

    /// One model's map, and what every model makes of it.
    private func cross(
        _ subject: Subject, _ index: Int, _ inputs: [Tensor], _ target: Int, _ question: JSON, _ file: StudyFile, _ photo: Photo
    ) throws -> [Double] {
        guard let job = jobs.last else { throw ToolError("no method") }
        let settings = JSON.object(
            question.members + [
                ("subject", subject.settings), ("method", .string(job.method.name)),
                ("options", .object(job.options.map { ($0.name, .string($0.value)) })),
            ])
        progress.begin("\(job.method.name) \(subject.name) \(photo.name)")
        let map = try map(subject, inputs[index], target, job, settings, file)
        for _ in 0..<2 { progress.end() }
        return try subjects.enumerated().map { other, viewer in
            progress.begin("\(subject.name) shown to \(viewer.name) \(photo.name)")
            defer { progress.end() }
            let shown = JSON.object([("map", settings), ("viewer", viewer.settings), ("steps", .integer(steps))])
            let found = try file.piece("shown to \(viewer.name)", shown) {
                try MapShown(map, to: viewer.model, inputs[other], target: target, steps: steps, progress).json
            }
            guard let area = found["area"]?.double else { throw ToolError("\(file.path): it has no area") }
            return area
        }
    }

    private func map(
        _ subject: Subject, _ input: Tensor, _ target: Int, _ job: Job, _ settings: JSON, _ file: StudyFile
    ) throws -> Tensor {
        let path = file.path.dropLast(5) + ".npy"
        if file.known("map", settings) != nil, let bytes = try? Files.read(String(path)),
            let map = try? Tensor(NumpyArray(file: bytes, String(path)))
        {
            return map
        }
        let explanation = try Explanation(
            job.method.name, of: subject.model, input: input, target: target, options: job.options, progress: progress)
        let map = try explanation.map()
        try Files.write(NumpyArray(map.floats(), map.shape).file, to: String(path))
        try file.keep("map", settings, .object([("shape", .array(map.shape.map { .integer($0) }))]))
        return map
    }
}

/// The pieces of a study that concern one image, or one image and one model: each with the settings under which it holds.
final class StudyFile {
    let path: String
    private var pieces: [(key: String, value: JSON)]

    /// `isFresh`: what is there is not used.
    init(_ path: String, isFresh: Bool) {
        self.path = path
        let bytes = isFresh || !Files.exists(path) ? nil : try? Files.read(path)
        pieces = bytes.flatMap { JSON(String(decoding: $0, as: UTF8.self)) }?["pieces"]?.members ?? []
    }

    /// What was found under the same settings.
    func known(_ name: String, _ settings: JSON) -> JSON? {
        guard let piece = pieces.first(where: { $0.key == name })?.value, piece["settings"]?.rendered == settings.rendered else {
            return nil
        }
        return piece["found"]
    }

    func keep(_ name: String, _ settings: JSON, _ found: JSON) throws {
        pieces.removeAll { $0.key == name }
        pieces.append((name, .object([("settings", settings), ("found", found)])))
        let whole = JSON.object([("schema", .integer(1)), ("pieces", .object(pieces))])
        try Files.write(Array((whole.rendered + "\n").utf8), to: path)
    }

    /// What is known, or what `make` finds, which is then kept.
    func piece(_ name: String, _ settings: JSON, _ make: () throws -> JSON) throws -> JSON {
        if let known = known(name, settings) { return known }
        try Interrupt.check()
        let found = try make()
        try keep(name, settings, found)
        return found
    }
}

/// What a model's score is while the most important places of a map are put into a blurred image, a step at a time: the area below
/// that curve (the metric insertion).
struct MapShown {
    let json: JSON

    init(_ map: Tensor, to model: Model, _ input: Tensor, target: Int, steps: Int, _ progress: Progress) throws {
        let options = try Options([("n_steps", String(steps)), ("unit", "pixel"), ("references", "false")])
        try check(pellucid_options_set_tensor(options.handle, "map", map.handle))
        var wanted = pellucid_target()
        wanted.struct_size = MemoryLayout<pellucid_target>.size
        wanted.kind = Int32(PELLUCID_TARGET_CLASS)
        wanted.score = Int32(PELLUCID_SCORE_AUTO)
        wanted.index = Int64(target)
        let handle = try Model.withFeeds([("", input)]) { feeds in
            try withControl(progress) { control in
                try created {
                    pellucid_evaluate($0, model.handle, "insertion", feeds.baseAddress, 1, &wanted, nil, options.handle, control)
                }
            }
        }
        defer { pellucid_result_release(handle) }
        func numbers(_ name: String) throws -> [Double] {
            try Tensor(taking: created { pellucid_result_tensor(handle, name, $0) }).doubles()
        }
        json = .object([
            ("area", .number(try numbers("values").first ?? .nan)),
            ("fractions", .array(try numbers("fractions").map { .number($0) })),
            ("scores", .array(try numbers("curve").map { .number($0) })),
        ])
    }
}
