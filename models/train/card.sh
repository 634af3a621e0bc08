#!/usr/bin/env bash
# Prints the tables of models/README.md: card.sh PERSON VEHICLE [DATA]; needs the packages of requirements.txt.
set -euo pipefail
cd "$(dirname "$0")"
person=$1 vehicle=$2 data=${3:-../../../shared/data}
score() { "${PYTHON:-python3}" score.py --data "$data" "$@"; }
at() { score --person "$person" --vehicle "$vehicle" "$@" | tail -1; }

echo "Held out, sweeps:"
score --set held
echo
echo "At the defaults:"
for set in visdrone_val vtest uav123_group1 uav123_person12 brighton_beach_negatives; do at --set "$set"; done
at --set visdrone_val --way low | sed 's/visdrone_val/visdrone_val, low/'
at --set vtest --way third | sed 's/vtest/vtest, third/'
for set in visdrone_train extra_visdrone_val_newseq extra_hituav_thermal extra_coco128_downscaled; do
  at --set "held:$set"
done
for way in degraded night doubled turned; do at --set held --way "$way" | sed "s/held/held, $way/"; done
