import CPellucid

/// One number of the table: a metric's value for one explanation of one photo.
struct Score {
    let photo: String
    let method: String
    let metric: Method
    let value: Double
    /// What a map that is the same everywhere, and one of random numbers get; nil where that makes no sense.
    let constant: Double?
    let random: Double?
    let seconds: Double
    /// Shares of the image that are replaced, and the score there; empty for metrics without a curve.
    let fractions: [Double]
    let curve: [Double]
    let manifest: JSON?
}

/// Explains photos by methods and judges each explanation by metrics.
struct Evaluating {
    let model: Model
    let frame: Frame
    let preparation: Preparation
    /// nil: the best class of each photo.
    let target: Int?
    let methods: [Job]
    let metrics: [Job]
    let regions: Regions?
    let progress: Progress

    /// A photo that cannot be read or explained does not stop the others.
    func evaluateAll(_ photos: [Photo], isSweep: Bool) throws -> Scores {
        var scores = Scores(methods: methods.map(\.method), metrics: metrics.map(\.method), model: model)
        for photo in photos {
            do {
                let picture = try Picture(Files.read(photo.path), photo.path)
                let input = try picture.preprocessed(preparation, frame)
                let mask = try regions?.mask(of: photo, picture, preparation, frame)
                if regions != nil, mask == nil { complain("\(photo.path): nothing says where the object is") }
                for job in methods { try evaluate(job, photo, input, mask, isSweep, &scores) }
            } catch {
                try Interrupt.check()
                let text = "\(error)"
                complain(text.hasPrefix(photo.path) ? text : "\(photo.path): \(text)")
                scores.failed = true
                for _ in 0..<methods.count * (1 + metrics.count) { progress.end() }
            }
        }
        progress.clear()
        return scores
    }

    private func evaluate(
        _ job: Job, _ photo: Photo, _ input: Tensor, _ mask: Tensor?, _ isSweep: Bool, _ scores: inout Scores
    ) throws {
        progress.begin("\(job.method.name) \(photo.name)")
        var explanation: Explanation?
        do {
            explanation = try Explanation(
                job.method.name, of: model, input: input, target: target, options: job.options, progress: progress)
        } catch let error as LibraryError {
            try failed("\(photo.path): \(job.method.name)", error, isSweep, &scores)
        }
        progress.end()
        for metric in metrics {
            defer { progress.end() }
            let needsRegions = metric.method.needs.contains("regions")
            guard let explanation, !needsRegions || mask != nil else { continue }
            progress.begin("\(metric.method.name) of \(job.method.name) \(photo.name)")
            let start = now()
            do {
                let found = try Judgement(
                    metric.method.name, of: explanation, model: model, input: input, mask: needsRegions ? mask : nil,
                    options: metric.options, progress: progress)
                scores.all.append(
                    Score(
                        photo: photo.name, method: job.method.name, metric: metric.method,
                        value: found.number("value") ?? .nan, constant: found.number("reference_constant"),
                        random: found.number("reference_random"), seconds: now() - start,
                        fractions: found.numbers("fractions") ?? [], curve: found.numbers("curve") ?? [],
                        manifest: found.manifest))
            } catch let error as LibraryError {
                try failed("\(photo.path): \(metric.method.name) of \(job.method.name)", error, isSweep, &scores)
            }
        }
    }

    /// Says why; a method that is not for this model is no failure where all were asked for.
    private func failed(_ place: String, _ error: LibraryError, _ isSweep: Bool, _ scores: inout Scores) throws {
        try Interrupt.check()
        complain("\(place): \(error.description)")
        let isInapplicable = Int(error.status) == PELLUCID_E_UNSUPPORTED
        scores.failed = scores.failed || !(isSweep && isInapplicable)
    }

    private func complain(_ text: String) {
        progress.clear()
        Console.complain(text)
    }
}
