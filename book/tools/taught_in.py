"""A small Sphinx extension: each entry of the page on the package ends with the chapter that teaches it.

The tests see that every entry has its chapter, and that the chapter uses what it is said to teach.
"""

TAUGHT_IN = {
    "01-number-eight": [
        "datasets.number_eight", "exact.ExactDenoiser", "sampling.walk", "sampling.sample", "live.figure",
    ],
    "02-adding-noise": ["schedule.NoiseSchedule", "noising.add_noise", "noising.forward_chain"],
    "03-s-curve": [
        "datasets.s_curve", "datasets.measured", "metrics.energy_distance", "models.mlp.MLP",
        "targets.training_target", "targets.convert",
        "steps.ddpm", "training.train", "figures.cloud", "figures.clouds", "figures.use_style",
    ],
    "04-the-network": ["models.unet.UNet"],
    "05-mnist": [
        "models.unet.SelfAttention", "datasets.mnist", "datasets.digits", "guidance.Guided",
        "pretrained.load_pretrained", "figures.show_images", "sampling.clip",
        "paths.logit_normal", "paths.stratified",
    ],
    "06-closed-forms": ["noising.posterior", "targets.x0_from_eps", "targets.eps_from_x0"],
    "08-the-objective": ["targets.denoising_loss", "paths.uniform"],
    "10-fewer-steps": ["steps.ddim", "steps.dpm_solver", "sampling.threshold", "figures.image_grid"],
    "11-judging-samples": ["metrics.Gaussian", "metrics.frechet_distance", "metrics.nearest", "judge.load_judge"],
}  # fmt: skip
# What no chapter has to name: it is made, raised or used by what one does.
COMES_WITH = {
    "schedule.NoiseSchedule": ["paths.Path", "paths.StraightPath", "paths.SigmaPath"],
    "training.train": [
        "training.training_steps", "training.Run", "engine.TrainingError", "engine.CheckpointError",
        "denoiser.Denoiser", "denoiser.predict_x0", "targets.min_snr",
    ],
    "targets.convert": ["targets.TARGETS"],
    "figures.image_grid": ["figures.save_gif"],
    "live.figure": ["live.Random"],
    "steps.ddim": ["steps.Moment", "steps.Place"],
    "models.unet.UNet": ["models.unet.ResidualBlock"],
    "datasets.mnist": ["datasets.data_folder", "datasets.has_mnist", "datasets.DataNotFoundError"],
    "pretrained.load_pretrained": ["pretrained.save_denoiser", "pretrained.WeightsError"],
    "judge.load_judge": ["judge.Judge", "judge.Verdict", "judge.DigitClassifier"],
}  # fmt: skip

CHAPTER_OF = {name: chapter for chapter, names in TAUGHT_IN.items() for name in names}
CHAPTER_OF |= {name: CHAPTER_OF[main] for main, names in COMES_WITH.items() for name in names}


def add_link(app, what, name, obj, options, lines):
    if chapter := CHAPTER_OF.get(name.removeprefix("diffusion_lab.")):
        lines += ["", f"Taught in :doc:`/notebooks/{chapter}`.", ""]


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")  # whose event it is
    app.connect("autodoc-process-docstring", add_link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
