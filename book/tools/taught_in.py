"""A small Sphinx extension: each entry of the page on the package ends with the chapter that teaches it.

The tests see that every entry has its chapter, and that the chapter uses what it is said to teach.
"""

TAUGHT_IN = {
    "01-number-eight": ["datasets.number_eight", "exact.ExactDenoiser"],
    "02-adding-noise": ["schedule.NoiseSchedule", "noising.add_noise", "noising.forward_chain"],
    "03-s-curve": [
        "datasets.s_curve", "metrics.energy_distance", "models.mlp.MLP", "noising.velocity", "noising.eps_from_v",
        "noising.v_from_eps", "sampling.ddpm", "sampling.sample", "training.train", "figures.cloud", "figures.clouds",
        "figures.frame", "figures.player", "figures.save_gif", "figures.use_style",
    ],
    "04-the-network": ["models.unet.UNet", "models.unet.SelfAttention"],
    "05-mnist": [
        "datasets.mnist", "datasets.digits", "guidance.Guided", "pretrained.load_pretrained", "figures.image_grid",
        "figures.show_images", "figures.unet_diagram",
    ],
    "06-closed-forms": ["noising.posterior", "noising.x0_from_eps", "noising.eps_from_x0"],
    "08-perfect-denoiser": ["noising.score_from_eps", "noising.eps_from_score"],
    "09-fewer-steps": ["sampling.timesteps", "sampling.ddim", "sampling.dpm_solver"],
    "10-judging-samples": ["metrics.Gaussian", "metrics.frechet_distance", "metrics.nearest", "judge.load_judge"],
}  # fmt: skip
# What no chapter has to name: it is made, raised or used by what one does.
COMES_WITH = {
    "training.train": [
        "training.Run", "training.TrainingError", "checkpoints.CheckpointError", "denoiser.Denoiser",
        "denoiser.loss_weight",
    ],
    "models.unet.UNet": ["models.unet.ResidualBlock"],
    "datasets.mnist": ["datasets.data_folder", "datasets.DataNotFoundError"],
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
