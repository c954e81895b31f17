/// A pattern as its text says it.
indirect enum PatternNode: Sendable {
    /// Where a text is looked at without moving on.
    enum Place: Sendable { case textStart, textEnd, lineStart, lineEnd, wordBoundary, insideWord }

    case empty
    case one(CharacterClass)
    case at(Place)
    case sequence([PatternNode])
    case either([PatternNode])
    /// At least, at most (nil: any number).
    case repeated(PatternNode, Int, Int?)
}
