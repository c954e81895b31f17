// The shared library has no code of its own: this target carries its link flags (Package.swift, dylibFlags).
