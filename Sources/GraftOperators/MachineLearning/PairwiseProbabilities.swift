import GraftFiles

/// Probabilities of classes from those of one class against another.
///
/// With r(i, j) the probability of class i where only i and j are possible, they minimize
/// Σ (r(j, i) p(i) - r(i, j) p(j))² over all pairs: the second method of Wu, Lin and Weng,
/// “Probability Estimates for Multi-class Classification by Pairwise Coupling” (2004), solved as
/// libsvm does, and so as far from the exact solution. ONNX's reference implementation has other
/// numbers: it does not multiply the pairs of the upper triangle one by one.
struct PairwiseProbabilities {
  let classCount: Int

  /// Doubles of scratch memory: the matrix of the quadratic form, and its product with p.
  var scratchCount: Int { classCount * classCount + classCount }

  /// - Parameters:
  ///   - pairs: r(i, j) for i < j, in the order of i, then j
  ///   - probabilities: the result
  func solve(
    _ pairs: UnsafeMutableBufferPointer<Double>,
    to probabilities: UnsafeMutableBufferPointer<Double>,
    scratch: UnsafeMutableBufferPointer<Double>
  ) {
    let count = classCount
    let form = UnsafeMutableBufferPointer(rebasing: scratch[..<(count * count)])
    let product = UnsafeMutableBufferPointer(rebasing: scratch[(count * count)...])
    fill(form, pairs)
    probabilities.update(repeating: 1 / Double(count))
    for _ in 0..<max(100, count) {
      var value = 0.0
      for i in 0..<count {
        product[i] = (0..<count).reduce(0.0) { $0 + form[i * count + $1] * probabilities[$1] }
        value += probabilities[i] * product[i]
      }
      let error = product.reduce(0.0) { max($0, abs($1 - value)) }
      if error < 0.005 / Double(count) { break }
      for i in 0..<count {
        let change = (value - product[i]) / form[i * count + i]
        let scale = 1 + change
        value = (value + change * (change * form[i * count + i] + 2 * product[i])) / scale / scale
        probabilities[i] += change
        for j in 0..<count {
          product[j] = (product[j] + change * form[i * count + j]) / scale
          probabilities[j] /= scale
        }
      }
    }
  }

  private func fill(
    _ form: UnsafeMutableBufferPointer<Double>, _ pairs: UnsafeMutableBufferPointer<Double>
  ) {
    let count = classCount
    form.update(repeating: 0)
    var pair = 0
    for i in 0..<count {
      for j in i + 1..<max(count, i + 1) {
        let first = pairs[pair]
        let second = 1 - first
        form[i * count + i] += second * second
        form[j * count + j] += first * first
        form[i * count + j] = -first * second
        form[j * count + i] = -first * second
        pair += 1
      }
    }
  }
}
