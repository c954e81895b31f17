/// The library's name for itself.
package enum Library {
    /// `major.minor.patch`; the Makefile and `bindings/python/pyproject.toml` repeat it.
    package static let version: StaticString = "0.1.0"
    /// major * 10000 + minor * 100 + patch.
    package static let number: UInt32 = 100
}
