/// The meaning of names in Keras's files.
enum KerasLayout {
  /// Whether a group of the root holds training state, not the model.
  static func isTrainingState(_ name: String) -> Bool { name == "optimizer" }

  /// Sorts groups by Keras's numbers: `conv2d`, `conv2d_1`, … `conv2d_10`.
  static func sorted(_ groups: [HDF5Tree.Group]) -> [HDF5Tree.Group] {
    groups.sorted { precedes($0.name, $1.name) }
  }

  /// Compares the text, then the number at the end.
  static func precedes(_ left: String, _ right: String) -> Bool {
    let (left, right) = (split(left), split(right))
    return left.text == right.text ? left.number < right.number : left.text < right.text
  }

  private static func split(_ name: String) -> (text: Substring, number: Int) {
    if let number = Int(name) { return ("", number) }
    guard let underscore = name.lastIndex(of: "_"),
      let number = Int(name[name.index(after: underscore)...]), number >= 0
    else { return (name[...], 0) }
    return (name[..<underscore], number)
  }
}
