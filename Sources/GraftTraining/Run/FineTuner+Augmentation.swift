import GraftData
import GraftTensor

extension FineTuner {
  /// The classes of training images, and the targets of the loss.
  func trainingTargets(_ numbers: [Int]) throws -> (labels: [Int], tensor: Tensor) {
    guard let round = augmentationRound, augmentation?.mixesTargets == true else {
      let labels = numbers.map { batches.items[$0].label }
      return (labels, try targets.tensor(labels, for: loss))
    }
    let labels = numbers.map { number in
      let mixture = batches.mixture(of: number, in: round)
      return MixedLabel(
        own: batches.items[number].label,
        partner: batches.items[mixture?.partner ?? number].label, share: mixture?.share ?? 1)
    }
    return (labels.map(\.larger), try targets.tensor(mixed: labels))
  }

  /// This epoch's source of random changes.
  var augmentationRound: AugmentationRound? {
    guard augmentation != nil else { return nil }
    return AugmentationRound(
      seed: recipe.seed, phase: state.phase, epoch: state.epoch, variantCount: phase?.variantCount)
  }
}
