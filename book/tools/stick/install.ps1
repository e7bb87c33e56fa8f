# Installs Diffusion Lab from the folder that this file is in, without internet, and opens it in JupyterLab.
#
#   powershell -ExecutionPolicy Bypass -File install.ps1 [-Folder FOLDER] [-NoOpen]
#
# FOLDER is diffusion-lab in your home folder if you name none. Run it again after an interruption, or when the stick
# has new notebooks: it keeps the notebooks that you have.
param([string]$Folder = (Join-Path $HOME "diffusion-lab"), [switch]$NoOpen)
$ErrorActionPreference = "Stop"
$env:PYTHONPATH = $null
$env:PYTHONHOME = $null
$Versions = "@VERSIONS@".Split(" ")

function Stop-With([string]$Message) {
    Write-Host $Message
    exit 1
}

function Find-Python {
    $ErrorActionPreference = "Continue"  # a Python that is not there answers on stderr
    $ask = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"
    $tries = @()
    if ($env:PYTHON) { $tries += , @($env:PYTHON) }
    if (Get-Command py -ErrorAction SilentlyContinue) { foreach ($version in $Versions) { $tries += , @("py", "-$version") } }
    if (Get-Command python -ErrorAction SilentlyContinue) { $tries += , @("python") }
    foreach ($try in $tries) {
        $first = @($try | Select-Object -Skip 1)
        try { $said = @(& $try[0] @first -c $ask 2>$null) } catch { continue }
        if ($LASTEXITCODE -eq 0 -and $said.Count -eq 2 -and $Versions -contains $said[0]) { return $said }
    }
}

function Invoke-Pip {
    & $Ours -m pip --isolated --quiet --disable-pip-version-check @args
    if ($LASTEXITCODE -ne 0) { Stop-With "Installing failed; the lines above say why." }
}

if ($env:PROCESSOR_ARCHITECTURE -ne "AMD64") {
    Stop-With "This stick has wheels for x86-64. This machine is $($env:PROCESSOR_ARCHITECTURE)."
}
$found = Find-Python
if (-not $found) {
    Write-Host "The wheels here are for Python @VERSIONS@, and none of these was found."
    Write-Host "If it is somewhere else, name it first:  `$env:PYTHON = 'C:\path\to\python.exe'"
    Stop-With "START-HERE.txt says where to get it."
}
$version, $python = $found

New-Item -ItemType Directory -Force $Folder | Out-Null
$Folder = (Resolve-Path $Folder).Path
Write-Host "Installing into $Folder with Python $version. This takes a few minutes."
$Ours = "$Folder\.venv\Scripts\python.exe"
# An environment that was cut off, or that another version of Python made, is made again.
$there = $null
if (Test-Path $Ours) {
    $ErrorActionPreference = "Continue"
    $there = & $Ours -c "import pip, sys; print('%d.%d' % sys.version_info[:2])" 2>$null
    $ErrorActionPreference = "Stop"
}
if ($there -eq $version) {
    Invoke-Pip uninstall -y diffusion-lab  # the stick may have a newer one of the same version
} else {
    & $python -m venv --clear "$Folder\.venv"
    if ($LASTEXITCODE -ne 0) { Stop-With "Making the virtual environment failed; the lines above say why." }
}
Invoke-Pip install --no-index --find-links "$PSScriptRoot\wheels" "diffusion-lab[notebooks]"

foreach ($part in "data", "book") {
    if (-not (Test-Path "$PSScriptRoot\$part")) { continue }
    foreach ($old in "$Folder\$part.part", "$Folder\$part") { if (Test-Path $old) { Remove-Item -Recurse -Force $old } }
    Copy-Item -Recurse "$PSScriptRoot\$part" "$Folder\$part.part"
    Rename-Item "$Folder\$part.part" $part
}
$notebooks = "$PSScriptRoot\notebooks"
foreach ($file in Get-ChildItem -Recurse -File $notebooks) {
    $target = "$Folder\notebooks" + $file.FullName.Substring($notebooks.Length)
    if (Test-Path -LiteralPath $target) { continue }
    New-Item -ItemType Directory -Force (Split-Path $target) | Out-Null
    Copy-Item -LiteralPath $file.FullName "$target.part"
    Move-Item -LiteralPath "$target.part" $target
}

@'
# Opens Diffusion Lab in JupyterLab:  powershell -ExecutionPolicy Bypass -File start.ps1
$env:PYTHONPATH = $null
$env:PYTHONHOME = $null
Set-Location $PSScriptRoot
if (Test-Path data) { $env:DIFFUSION_LAB_DATA = "$PSScriptRoot\data" }
& .venv\Scripts\python.exe -m jupyterlab --notebook-dir notebooks @args
exit $LASTEXITCODE
'@ | Set-Content -Encoding ASCII "$Folder\start.ps1"

Write-Host "Done. The book is $Folder\book\index.html."
Write-Host "To open the notebooks another day:  powershell -ExecutionPolicy Bypass -File `"$Folder\start.ps1`""
if (-not $NoOpen) {
    & powershell -ExecutionPolicy Bypass -File "$Folder\start.ps1"
    exit $LASTEXITCODE
}
