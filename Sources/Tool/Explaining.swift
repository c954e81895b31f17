import CPellucid

/// A method with the options that it is run with.
struct Job {
    let method: Method
    let options: [(name: String, value: String)]
}

/// What one method made of one photo.
struct Outcome {
    let method: Method
    let seconds: Double
    let result: Result<Drawing, LibraryError>

    struct Drawing {
        let png: [UInt8]
        let manifest: JSON?
    }

    /// True where the method cannot be used with this model, which is no failure of either.
    var isInapplicable: Bool {
        guard case .failure(let error) = result else { return false }
        return Int(error.status) == PELLUCID_E_UNSUPPORTED
    }
}

/// One photo with everything that was found about it.
struct Report {
    let file: String
    let photo: [UInt8]
    let prediction: Prediction?
    /// The class that was explained.
    let target: Int?
    let outcomes: [Outcome]
}

/// Explains photos with one model and writes the pictures.
struct Explaining {
    let model: Model
    let frame: Frame
    let preset: String
    let labels: Labels
    /// nil: the best class of each photo.
    let target: Int?
    let jobs: [Job]
    let drawing: [(name: String, value: String)]
    /// How many times larger than the network's input the pictures are.
    let zoom: Int
    let folder: String

    /// Runs every job on the photo; `name` begins the names of the files.
    func explain(_ file: String, name: String) throws -> Report {
        let picture = try Picture(file: file)
        let input = try picture.preprocessed(preset, frame)
        let photo = try picture.fitted(preset, height: frame.height * zoom, width: frame.width * zoom)
        let prediction = try Prediction(model.run(input))
        let outcomes = try jobs.map { job in
            let outcome = try run(job, input, over: photo, name: "\(name).\(job.method.name)")
            report(outcome, name: name)
            return outcome
        }
        return Report(file: file, photo: try photo.png(), prediction: prediction, target: target ?? prediction?.best, outcomes: outcomes)
    }

    private func run(_ job: Job, _ input: Tensor, over photo: Picture, name: String) throws -> Outcome {
        let start = now()
        do {
            let explanation = try Explanation(job.method.name, of: model, input: input, target: target, options: job.options)
            let seconds = now() - start
            let map = try explanation.map()
            let png = try photo.overlaid(with: map, options: drawing).png()
            try Files.write(png, to: "\(folder)/\(name).png")
            try Files.write(npy(map.floats(), map.shape), to: "\(folder)/\(name).npy")
            return Outcome(method: job.method, seconds: seconds, result: .success(.init(png: png, manifest: JSON(explanation.manifest))))
        } catch let error as LibraryError {
            return Outcome(method: job.method, seconds: now() - start, result: .failure(error))
        }
    }

    private func report(_ outcome: Outcome, name: String) {
        switch outcome.result {
        case .success: print("\(folder)/\(name).\(outcome.method.name).png  \(fixed(outcome.seconds, 2)) s")
        case .failure(let error) where outcome.isInapplicable:
            print("\(name): \(outcome.method.name) is not for this model: \(error.description)")
        case .failure(let error): complain("\(name): \(outcome.method.name): \(error.description)")
        }
    }
}
