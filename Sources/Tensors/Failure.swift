/// What went wrong, in words for the person who called: names the thing, what was expected and what was found.
package struct Failure: Error, Sendable, CustomStringConvertible {
    /// The kinds that a caller can tell apart; each has a status code in `pellucid/status.h`.
    package enum Kind: Int32, Sendable {
        case failed = -1, invalid = -2, notFound = -3, unsupported = -4, parse = -5, shape = -6
        case memory = -7, backend = -8, cancelled = -9, io = -10, callback = -11
    }

    package let kind: Kind
    package let message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    package var description: String { message }

    /// The same failure with its place in front, as `Conv 'conv1': …`.
    package func at(_ place: String) -> Failure { Failure(kind, "\(place): \(message)") }

    package static func invalid(_ text: String) -> Failure { Failure(.invalid, text) }
    package static func notFound(_ text: String) -> Failure { Failure(.notFound, text) }
    package static func unsupported(_ text: String) -> Failure { Failure(.unsupported, text) }
    package static func parse(_ text: String) -> Failure { Failure(.parse, text) }
    package static func shape(_ text: String) -> Failure { Failure(.shape, text) }
    package static func memory(_ text: String) -> Failure { Failure(.memory, text) }
    package static func io(_ text: String) -> Failure { Failure(.io, text) }
}
