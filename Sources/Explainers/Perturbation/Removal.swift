internal import Imaging
internal import Runtime
internal import Tensors

/// Copies of one image's inputs, of any shape and type, in which elements give way to a baseline or to their surroundings.
/// The elements of several inputs are counted one input behind the other.
struct Removal {
    /// One input.
    private struct Part {
        let name: String
        let original: Tensor
        /// nil: filled from what surrounds the removed elements.
        let baseline: Tensor?
        let layout: ImageLayout?
        /// Elements of the inputs before it.
        let offset: Int

        var width: Int { original.type.bits / 8 }
    }

    private let parts: [Part]

    /// `baselines`: of the inputs' shapes, for all images; nil: inpainted.
    init(_ request: Request, image: Int, inputs: [String], baselines: [Tensor?], _ settings: Settings) throws {
        var offset = 0
        var parts: [Part] = []
        for (name, baseline) in zip(inputs, baselines) {
            guard let images = request.feeds[name] else { throw Failure.notFound("input '\(name)' was not fed") }
            guard images.type.bits >= 8, images.type.bits % 8 == 0 else {
                throw Failure.unsupported("input '\(name)' is of type \(images.type), whose elements cannot be replaced; feed numbers")
            }
            let row = image..<(image + 1)
            let layout = try baseline == nil ? ImageLayout(images.shape, named: name, settings.choice(ImageLayout.parameter.name)) : nil
            let original = try images.sliced(0, row).contiguous()
            let fill = try baseline?.converted(to: images.type).sliced(0, row).contiguous()
            parts.append(Part(name: name, original: original, baseline: fill, layout: layout, offset: offset))
            offset += original.count
        }
        self.parts = parts
    }

    /// The baselines that the option asks for; nil where it says inpaint.
    static func baselines(_ request: Request, inputs: [String], _ settings: Settings) throws -> [Tensor?] {
        try inputs.map { name in
            guard let images = request.feeds[name] else { throw Failure.notFound("input '\(name)' was not fed") }
            return try Baseline.isInpainted(settings) ? nil : Baseline.tensor(settings, like: images, seed: request.seed)
        }
    }

    /// One copy of every input for each entry, without its elements.
    func versions(_ removed: [ElementRuns]) throws -> [String: Tensor] {
        try Dictionary(uniqueKeysWithValues: parts.map { ($0.name, try versions(of: $0, removed)) })
    }

    private func versions(of part: Part, _ removed: [ElementRuns]) throws -> Tensor {
        let original = part.original, width = part.width, size = original.count * width
        let copies = try Tensor.empty(original.type, [removed.count] + original.shape.dropFirst())
        guard let from = original.start, let to = copies.start else { return copies }
        for (index, runs) in removed.enumerated() {
            let copy = to + index * size
            copy.copyMemory(from: from, byteCount: size)
            let mine = runs.starts.filter { (part.offset..<part.offset + original.count).contains($0) }.map { $0 - part.offset }
            guard !mine.isEmpty else { continue }
            let fill = try part.baseline ?? inpainted(part, mine, runs.length)
            guard let source = fill.start else { continue }
            for start in mine { (copy + start * width).copyMemory(from: source + start * width, byteCount: runs.length * width) }
            withExtendedLifetime(fill) {}
        }
        return withExtendedLifetime(original) { copies }
    }

    /// The image with the pixels of the elements filled from what surrounds them.
    private func inpainted(_ part: Part, _ starts: [Int], _ length: Int) throws -> Tensor {
        guard let layout = part.layout else { return part.original }
        var isRemoved = [Bool](repeating: false, count: layout.pixels)
        for start in starts {
            for element in start..<start + length {
                isRemoved[layout.isChannelsLast ? element / layout.channels : element % layout.pixels] = true
            }
        }
        let hole = Inpaint(height: layout.height, width: layout.width) { isRemoved[$0] }
        return try layout.images(try hole(try layout.planes(part.original)), part.original.type)
    }
}

extension Baseline {
    /// Whether removed regions are to be filled from what surrounds them.
    static func isInpainted(_ settings: Settings) throws -> Bool {
        try settings.tensor("baseline") == nil && settings.text("baseline") == "inpaint"
    }
}
