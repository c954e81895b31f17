import CPellucid

/// What one method made of one photo for one target.
struct Outcome {
    let method: Method
    /// The class that was explained, where there are classes.
    let target: Ranked?
    let seconds: Double
    let result: Result<Drawing, LibraryError>

    struct Drawing {
        /// Names of the files, below the output folder.
        let files: [(key: String, name: String)]
        /// For the page.
        let picture: [UInt8]
        let manifest: JSON?
        /// A drawing of the method's own, such as a graph.
        let svg: String?
        /// What the metrics say that were asked.
        let verdicts: [Verdict]
        let isKept: Bool
    }

    /// True where the method cannot be used with this model, which is no failure of either.
    var isInapplicable: Bool {
        guard case .failure(let error) = result else { return false }
        return Int(error.status) == PELLUCID_E_UNSUPPORTED
    }

    func json(_ labels: Labels) -> JSON {
        var members: [(key: String, value: JSON)] = [
            ("method", .string(method.name)), ("target", target?.json(labels) ?? .null),
        ]
        switch result {
        case .success(let drawing):
            members += [("seconds", .number(seconds)), ("kept", .bool(drawing.isKept))]
            members += [("files", .object(drawing.files.map { ($0.key, .string($0.name)) }))]
            if !drawing.verdicts.isEmpty { members.append(("metrics", .array(drawing.verdicts.map(\.json)))) }
        case .failure(let error):
            members += [("error", .string(error.description)), ("applicable", .bool(!isInapplicable))]
        }
        return .object(members)
    }
}

/// One photo with everything that was found about it.
struct Report {
    let photo: Photo
    /// For the page.
    let picture: [UInt8]
    let ranked: [Ranked]
    let outcomes: [Outcome]

    var hasSeveralTargets: Bool { Set(outcomes.compactMap(\.target?.index)).count > 1 }
}

/// What a run of the command did.
struct Account {
    var reports: [Report] = []
    var failed = false
    var images: [JSON] = []
    let settings: JSON

    var manifest: JSON {
        .object([
            ("schema", .integer(1)), ("pellucid", .string(Library.version)), ("settings", settings),
            ("images", .array(images)),
            ("page", reports.isEmpty ? .null : .string("index.html")),
        ])
    }
}

/// Explains photos with one model and writes the pictures.
struct Explaining {
    let model: Model
    let frame: Frame
    let preparation: Preparation
    let labels: Labels
    /// nil: the best class of each photo.
    let targets: [Int?]
    let jobs: [Job]
    /// What judges each map.
    let metrics: [Job]
    let drawing: [(name: String, value: String)]
    let legend: Bool
    /// How many times larger than the network's input the pictures are.
    let zoom: Int
    let folder: String
    let force: Bool
    let progress: Progress
    let say: (String) -> Void

    /// A photo that cannot be read or explained does not stop the others. Pictures of more photos than a page can hold are dropped.
    func explainAll(_ photos: [Photo], isSweep: Bool) throws -> Account {
        var account = Account(settings: settings)
        for photo in photos {
            do {
                let report = try explain(photo)
                if account.reports.count < Page.limit { account.reports.append(report) }
                let failures = report.outcomes.filter {
                    (try? $0.result.get()) == nil && !(isSweep && $0.isInapplicable)
                }
                account.failed = account.failed || !failures.isEmpty
                account.images.append(
                    .object([
                        ("image", .string(photo.path)), ("top", .array(report.ranked.map { $0.json(labels) })),
                        ("explanations", .array(report.outcomes.map { $0.json(labels) })),
                    ]))
            } catch {
                try Interrupt.check()
                progress.clear()
                let text = "\(error)"
                Console.complain(text.hasPrefix(photo.path) ? text : "\(photo.path): \(text)")
                account.images.append(.object([("image", .string(photo.path)), ("error", .string(text))]))
                account.failed = true
                for _ in 0..<jobs.count * targets.count { progress.end() }
            }
        }
        progress.clear()
        return account
    }

    private func explain(_ photo: Photo) throws -> Report {
        let bytes = try Files.read(photo.path)
        let picture = try Picture(bytes, photo.path)
        let view = try picture.fitted(
            preparation, height: frame.height * zoom, width: frame.width * zoom)
        let source = JSON.object([
            ("path", .string(photo.path)), ("bytes", .integer(bytes.count)),
            ("crc32", .integer(Int(NumpyArchive.crc(bytes)))),
        ])
        if let slash = photo.name.lastIndex(of: "/") {
            try Files.makeFolder("\(folder)/\(photo.name[..<slash])")
        }
        let seen = Seen(
            photo: photo, source: source, view: view,
            input: { try picture.preprocessed(preparation, frame) }, model: model)
        let outcomes = try jobs.flatMap { job in try targets.map { try explain(job, $0, seen) } }
        return Report(
            photo: photo, picture: try view.file("jpeg"), ranked: seen.ranked, outcomes: outcomes)
    }

    /// The class's name for methods that write it above drawings of their own.
    private func title(_ method: Method, _ target: Ranked?) -> [(name: String, value: String)] {
        guard let target, method.knows("title") else { return [] }
        return [("title", labels.short(target.index))]
    }

    /// One job for one target, or what was made of it before.
    private func explain(_ job: Job, _ target: Int?, _ seen: Seen) throws -> Outcome {
        try Interrupt.check()
        let suffix = targets.count > 1 ? "." + (target.map(String.init) ?? "best") : ""
        let base = "\(seen.photo.name).\(job.method.name)\(suffix)"
        progress.begin("\(job.method.name) \(seen.photo.name)")
        defer { progress.end() }
        let settings = self.settings(job, target)
        if !force, let kept = try kept(base, job, settings, seen) {
            progress.clear()
            say("\(folder)/\(base).png  kept")
            return kept
        }
        let start = now()
        do {
            let prediction = try seen.prediction()
            let best = target ?? prediction?.ranked(1).first?.index
            let ranked = best.flatMap { index in
                prediction?.probabilities.indices.contains(index) == true
                    ? Ranked(index: index, probability: prediction?.probabilities[index] ?? 0) : nil
            }
            let explanation = try Explanation(
                job.method.name, of: model, input: seen.tensor(), target: target,
                options: job.options + title(job.method, ranked), picture: job.method.knows("picture") ? seen.view.tensor : nil,
                progress: progress)
            let seconds = now() - start
            let verdicts = try metrics.map { metric in
                let judgement = try Judgement(
                    metric.method.name, of: explanation, model: model, input: seen.tensor(), mask: nil, options: metric.options,
                    progress: progress)
                return Verdict(metric.method.name, judgement)
            }
            let drawing = try write(base, job, explanation, seconds, ranked, verdicts, settings, seen)
            progress.clear()
            say("\(folder)/\(base).png  \(fixed(seconds, 2)) s")
            return Outcome(
                method: job.method, target: ranked, seconds: seconds, result: .success(drawing))
        } catch let error as LibraryError {
            try Interrupt.check()
            progress.clear()
            let outcome = Outcome(
                method: job.method, target: nil, seconds: now() - start, result: .failure(error))
            let words = "\(seen.photo.path): \(job.method.name)"
            if outcome.isInapplicable {
                say("\(words) is not for this model: \(error.description)")
            } else {
                Console.complain("\(words): \(error.description)")
            }
            return outcome
        }
    }

    /// Writes picture, map and last the manifest, whose presence says that all is there.
    private func write(
        _ base: String, _ job: Job, _ explanation: Explanation, _ seconds: Double, _ target: Ranked?,
        _ verdicts: [Verdict], _ settings: JSON, _ seen: Seen
    ) throws -> Outcome.Drawing {
        let map = try explanation.map()
        let words = target.map { "\(job.method.name): \(labels.short($0.index))" } ?? job.method.name
        let picture = try seen.view.overlaid(
            with: map, options: drawing + (legend ? [("legend", words)] : []))
        let manifest = JSON(explanation.manifest)
        let texts = try ["svg", "dot"].compactMap { kind in try explanation.text(kind).map { (kind: kind, text: $0) } }
        let files =
            [("picture", "\(base).png"), ("map", "\(base).npy")] + texts.map { ($0.kind, "\(base).\($0.kind)") } + [
                ("manifest", "\(base).json")
            ]
        let account = JSON.object([
            ("schema", .integer(1)), ("image", seen.source), ("settings", settings),
            ("top", .array(seen.ranked.map { $0.json(labels) })),
            ("target", target?.json(labels) ?? .null), ("seconds", .number(seconds)),
            ("files", .object(files.map { ($0.0, .string($0.1)) })), ("metrics", .array(verdicts.map(\.json))),
            ("explanation", manifest ?? .null),
        ])
        try Files.write(picture.file(), to: "\(folder)/\(base).png")
        try Files.write(NumpyArray(map.floats(), map.shape).file, to: "\(folder)/\(base).npy")
        for (kind, text) in texts { try Files.write(Array(text.utf8), to: "\(folder)/\(base).\(kind)") }
        try Files.write(Array((account.rendered + "\n").utf8), to: "\(folder)/\(base).json")
        let plain = legend ? try seen.view.overlaid(with: map, options: drawing) : picture
        return Outcome.Drawing(
            files: files, picture: try plain.file("jpeg"), manifest: manifest, svg: texts.first { $0.kind == "svg" }?.text,
            verdicts: verdicts, isKept: false)
    }

    /// What an earlier run left for the same image and settings, if all of it is there and sound.
    private func kept(_ base: String, _ job: Job, _ settings: JSON, _ seen: Seen) throws -> Outcome? {
        let path = "\(folder)/\(base)"
        guard Files.exists(path + ".json"), Files.exists(path + ".png"), Files.exists(path + ".npy"),
            let bytes = try? Files.read(path + ".json"),
            let account = JSON(String(decoding: bytes, as: UTF8.self)),
            account["settings"]?.rendered == settings.rendered,
            account["image"]?.rendered == seen.source.rendered,
            let file = try? Files.read(path + ".npy"), let map = try? Tensor(NumpyArray(file: file, path))
        else { return nil }
        seen.recall(account["top"]?.items.compactMap(Ranked.init) ?? [])
        let files = account["files"]?.members.map { (key: $0.key, name: $0.value.text) } ?? []
        guard files.allSatisfy({ Files.exists("\(folder)/\($0.name)") }) else { return nil }
        let svg = try files.first { $0.key == "svg" }.map { String(decoding: try Files.read("\(folder)/\($0.name)"), as: UTF8.self) }
        let drawn = Outcome.Drawing(
            files: files,
            picture: try seen.view.overlaid(with: map, options: drawing).file("jpeg"),
            manifest: account["explanation"], svg: svg, verdicts: account["metrics"]?.items.compactMap(Verdict.init) ?? [],
            isKept: true)
        return Outcome(
            method: job.method, target: account["target"].flatMap(Ranked.init),
            seconds: account["seconds"]?.double ?? 0, result: .success(drawn))
    }

    /// What decides how all pictures look.
    private var settings: JSON {
        func object(_ pairs: [(name: String, value: String)]) -> JSON {
            .object(pairs.map { ($0.name, .string($0.value)) })
        }
        return .object([
            ("pellucid", .string(Library.version)), ("model", .string(model.metadata("hash") ?? "")),
            ("preset", .string(preparation.preset)), ("prepare", object(preparation.settings)),
            ("size", .array([.integer(frame.height), .integer(frame.width)])), ("zoom", .integer(zoom)),
            ("drawing", object(drawing)),
            ("legend", .bool(legend)),
        ])
    }

    /// The same with what decides about one of them.
    private func settings(_ job: Job, _ target: Int?) -> JSON {
        let options = JSON.object(job.options.map { ($0.name, .string($0.value)) })
        let own: [(key: String, value: JSON)] = [
            ("method", .string(job.method.name)), ("options", options),
            ("target", target.map { .integer($0) } ?? .string("best")),
            ("metrics", .array(metrics.map { .array([.string($0.method.name)] + $0.options.map { .string("\($0.name)=\($0.value)") }) })),
        ]
        return .object(settings.members + own)
    }
}

/// A photo with what is only computed when something asks for it.
private final class Seen {
    let photo: Photo
    let source: JSON
    /// As the network sees it, at the pictures' size.
    let view: Picture
    private let input: () throws -> Tensor
    private let model: Model
    private var fed: Tensor?
    private var predicted: Prediction??
    /// The best classes.
    private(set) var ranked: [Ranked] = []

    init(
        photo: Photo, source: JSON, view: Picture, input: @escaping () throws -> Tensor, model: Model
    ) {
        self.photo = photo
        self.source = source
        self.view = view
        self.input = input
        self.model = model
    }

    func tensor() throws -> Tensor {
        if let fed { return fed }
        let made = try input()
        fed = made
        return made
    }

    func prediction() throws -> Prediction? {
        if let predicted { return predicted }
        let made = try Prediction(model.run([("", tensor())]).first)
        predicted = .some(made)
        ranked = made?.ranked(5) ?? []
        return made
    }

    /// The classes that an earlier run found.
    func recall(_ known: [Ranked]) { if ranked.isEmpty { ranked = known } }
}
