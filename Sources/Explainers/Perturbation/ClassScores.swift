internal import Runtime
internal import Tensors

/// The scores of all classes, read from the evaluations that explain one.
struct ClassScores {
    static let parameter = Parameter(
        "classes", .text,
        "classes whose maps are returned too, as tensor 'maps' (images x classes x map), from the same evaluations: numbers separated by commas, or all"
    )

    /// Whether any class beside the target's is asked for.
    let isWanted: Bool
    /// nil: every class.
    private let classes: [Int]?
    /// Weights of the positions behind the class axis; nil: 1.
    private let mask: Tensor?

    /// `always`: every class's score is wanted whatever the option says.
    init(_ settings: Settings, _ target: Target, always: Bool = false) throws {
        let text = try settings.text(ClassScores.parameter.name)
        isWanted = always || text != nil
        classes = try text == "all" ? nil : text.map(ClassScores.numbers) ?? []
        switch target.kind {
        case .weights where isWanted:
            throw Failure.invalid("the target is a weighted sum of the output, in which no class can take another's place: no 'classes'")
        case .mask(_, let mask): self.mask = mask
        default: mask = nil
        }
    }

    private static func numbers(_ text: String) throws -> [Int] {
        try Options.reals(text, of: parameter.name).map { number in
            guard let index = Int(exactly: number), index >= 0 else {
                throw Failure.invalid("option 'classes': expected class numbers separated by commas, or all, found '\(text)'")
            }
            return index
        }
    }

    /// The classes of the option, of so many.
    func chosen(of all: Int) throws -> [Int] {
        guard let classes else { return Array(0..<all) }
        if let bad = classes.first(where: { $0 >= all }) {
            throw Failure.invalid("option 'classes': class \(bad) is out of range, the output has \(all) classes")
        }
        return classes
    }

    /// Versions x all classes, summed over the positions of the output as the target does.
    func scores(_ outcome: Outcome) throws -> Tensor {
        guard let every = outcome.everyScore, every.shape.count > 1 else {
            throw Failure.unsupported("the output has no class axis: there are no other classes to explain")
        }
        let space = Array(every.shape.dropFirst(2)), positions = try Shape.count(space)
        let weights = try mask?.broadcast(to: space).converted(to: .float32).array(Float.self)
        return try every.converted(to: .float32).read(Float.self) { scores in
            try Tensor.make([every.shape[0], every.shape[1]], Float.self) { out in
                for row in out.indices {
                    var sum = 0.0
                    for i in 0..<positions { sum += Double(scores[row * positions + i]) * Double(weights?[i] ?? 1) }
                    out[row] = Float(sum)
                }
            }
        }
    }
}
