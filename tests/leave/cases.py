"""The leave cases: one trap of the payment lines each, checked by hand. Also the text of `docs/leave-cases.md`.

Read `tests/leave/notation.py` for how a case is written. After a change:
`python -m tests.leave.cases > docs/leave-cases.md`.
"""

from __future__ import annotations

import sys
from itertools import groupby

from tests.leave.notation import EUROS_A_DAY, cases
from tests.study.worlds import FIRST_FLOW, FOLLOW_UP_END, LAST_FLOW, PROTOCOL, RELEASE

CASES = cases("""
## The start of a leave

A sickness leave starts three waiting days before its first paid day
    6111 2022-01-04..2022-01-17
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros for 14 days
A leave of one paid day is a leave
    6111 2022-01-04..2022-01-04
    = sickness 2022-01-01..2022-01-04, paid from 2022-01-04
    = 35 euros for 1 day
A work accident starts on its first paid day
    6111 2022-01-04..2022-01-17 RGO_ASU_NAT=40
    = work_injury 2022-01-04..2022-01-17
    = 490 euros for 14 days
Waiting days delivered as a line date the start, and add neither euro nor paid day
    6011 2022-01-02..2022-01-03
    6111 2022-01-04..2022-01-17
    = sickness 2022-01-02..2022-01-17, paid from 2022-01-04
    = 490 euros for 14 days
Waiting days of a leave above three months (6012) date the start too
    6012 2022-01-02..2022-01-03
    6112 2022-01-04..2022-01-17
    = sickness 2022-01-02..2022-01-17, paid from 2022-01-04
    = 490 euros
Three waiting lines of one day each date the start by the first of them
    6011 2022-01-01..2022-01-01
    6011 2022-01-02..2022-01-02
    6011 2022-01-03..2022-01-03
    6111 2022-01-04..2022-01-17
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros
A waiting line longer than three days dates the start as it stands
    6011 2021-12-28..2022-01-03
    6111 2022-01-04..2022-01-17
    = sickness 2021-12-28..2022-01-17, paid from 2022-01-04
    = 490 euros
Waiting days that end two days before the first paid day still lead to it
    6011 2022-01-01..2022-01-03
    6111 2022-01-06..2022-01-17
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-06
    = 420 euros
Waiting days of an earlier leave that was never paid do not date this one
    6011 2022-01-01..2022-01-03
    6111 2022-01-10..2022-01-20
    = sickness 2022-01-07..2022-01-20, paid from 2022-01-10
    = 385 euros
Waiting days that lead nowhere make no leave
    6011 2022-01-01..2022-01-03
    = no leave
    = 0 euros
A waiting line taken back dates nothing
    6011 2022-01-02..2022-01-03
    -6011 2022-01-02..2022-01-03
    6111 2022-01-04..2022-01-17
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros
A waiting line that adjoins paid days on both sides does not cut the leave
    6111 2022-01-04..2022-01-10
    6011 2022-01-11..2022-01-12
    6111 2022-01-13..2022-01-20
    = sickness 2022-01-01..2022-01-20, paid from 2022-01-04
    = 525 euros for 15 days
A waiting line dates the leave it leads to, and not the next one
    6011 2022-01-02..2022-01-03
    6111 2022-01-04..2022-01-17
    6111 2022-02-10..2022-02-20
    = sickness 2022-01-02..2022-01-17, paid from 2022-01-04
    = sickness 2022-02-07..2022-02-20, paid from 2022-02-10
    = 875 euros for 25 days
Waiting days on days of the leave before do not date the next one
    6111 2022-01-04..2022-01-10
    6011 2022-01-09..2022-01-11
    6111 2022-01-14..2022-01-20
    = sickness 2022-01-01..2022-01-10, paid from 2022-01-04
    = sickness 2022-01-11..2022-01-20, paid from 2022-01-14
    = 490 euros
Waiting days of sickness do not date a work accident
    6011 2022-01-01..2022-01-03
    6111 2022-01-04..2022-01-17 RGO_ASU_NAT=40
    = work_injury 2022-01-04..2022-01-17
    = 490 euros
Two employers deliver the same waiting days twice
    6011 2022-01-02..2022-01-03 IJR_EMP_NUM=1
    6011 2022-01-02..2022-01-03 IJR_EMP_NUM=2
    6111 2022-01-04..2022-01-17 IJR_EMP_NUM=1
    6111 2022-01-04..2022-01-17 IJR_EMP_NUM=2 BSE_REM_MNT=200
    = sickness 2022-01-02..2022-01-17, paid from 2022-01-04
    = 690 euros for 14 days
Of two employers' waiting days the earlier ones date the start
    6011 2021-12-31..2022-01-02 IJR_EMP_NUM=1
    6011 2022-01-03..2022-01-05 IJR_EMP_NUM=2
    6111 2022-01-03..2022-01-17 IJR_EMP_NUM=1
    6111 2022-01-06..2022-01-17 IJR_EMP_NUM=2 BSE_REM_MNT=200
    = sickness 2021-12-31..2022-01-17, paid from 2022-01-03
    = 725 euros

## Prolongation or new leave

Fortnights in a row are one leave
    6111 2022-01-04..2022-02-14 every 14 days
    = sickness 2022-01-01..2022-02-14, paid from 2022-01-04
    = 1470 euros for 42 days
A gap of one day is a prolongation
    6111 2022-01-04..2022-01-10
    6111 2022-01-12..2022-01-20
    = sickness 2022-01-01..2022-01-20, paid from 2022-01-04
    = 560 euros for 16 days
A gap of two days is a prolongation (48-hour rule)
    6111 2022-01-04..2022-01-10
    6111 2022-01-13..2022-01-20
    = sickness 2022-01-01..2022-01-20, paid from 2022-01-04
    = 525 euros for 15 days
A gap of three days is a new leave, whose waiting days fill it
    6111 2022-01-04..2022-01-10
    6111 2022-01-14..2022-01-20
    = sickness 2022-01-01..2022-01-10, paid from 2022-01-04
    = sickness 2022-01-11..2022-01-20, paid from 2022-01-14
    = 490 euros for 14 days
A gap of three days with its waiting line is the same new leave
    6111 2022-01-04..2022-01-10
    6011 2022-01-11..2022-01-13
    6111 2022-01-14..2022-01-20
    = sickness 2022-01-01..2022-01-10, paid from 2022-01-04
    = sickness 2022-01-11..2022-01-20, paid from 2022-01-14
    = 490 euros
A gap of four days leaves a day between the two leaves
    6111 2022-01-04..2022-01-10
    6111 2022-01-15..2022-01-20
    = sickness 2022-01-01..2022-01-10, paid from 2022-01-04
    = sickness 2022-01-12..2022-01-20, paid from 2022-01-15
    = 455 euros
A work accident with a gap of two days goes on
    6111 2022-01-04..2022-01-10 RGO_ASU_NAT=40
    6111 2022-01-13..2022-01-20 RGO_ASU_NAT=40
    = work_injury 2022-01-04..2022-01-20
    = 525 euros
A relapse of a work accident three days later is a new leave without waiting days
    6111 2022-01-04..2022-01-10 RGO_ASU_NAT=40
    6111 2022-01-14..2022-01-20 RGO_ASU_NAT=40
    = work_injury 2022-01-04..2022-01-10
    = work_injury 2022-01-14..2022-01-20
    = 490 euros
A leave goes on over the new year
    6111 2021-12-20..2022-01-02
    6111 2022-01-03..2022-01-16
    = sickness 2021-12-17..2022-01-16, paid from 2021-12-20
    = 980 euros for 28 days
29 February counts in a gap: two days, one leave
    6111 2020-02-20..2020-02-28
    6111 2020-03-02..2020-03-10
    = sickness 2020-02-17..2020-03-10, paid from 2020-02-20
    = 630 euros
29 February counts in a gap: three days, two leaves
    6111 2020-02-20..2020-02-28
    6111 2020-03-03..2020-03-10
    = sickness 2020-02-17..2020-02-28, paid from 2020-02-20
    = sickness 2020-02-29..2020-03-10, paid from 2020-03-03
    = 595 euros
The gap is counted from the last day reached so far, not from the period before
    6111 2022-01-04..2022-01-31
    6111 2022-01-06..2022-01-08
    6111 2022-02-02..2022-02-10
    = sickness 2022-01-01..2022-02-10, paid from 2022-01-04
    = 1400 euros

## Below and above three months

The code changes at three months, the leave goes on
    6111 2022-01-04..2022-01-17
    6112 2022-01-18..2022-01-31
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04
    = 980 euros for 28 days
A fortnight paid in part below and in part above three months
    6111 2022-01-04..2022-01-17 PRS_ACT_NBR=6 PRS_ACT_QTE=6 BSE_REM_MNT=210
    6112 2022-01-04..2022-01-17 PRS_ACT_NBR=8 PRS_ACT_QTE=8 BSE_REM_MNT=280
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros for 14 days
Increased allowances (6113 to 6116) go on with the leave
    6113 2022-01-04..2022-01-10
    6114 2022-01-11..2022-01-17
    6115 2022-01-18..2022-01-24
    6116 2022-01-25..2022-01-31
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04
    = 980 euros for 28 days

## Corrections

A line taken back leaves nothing
    6111 2022-01-04..2022-01-17
    -6111 2022-01-04..2022-01-17
    = no leave
    = 0 euros
A line taken back months later leaves nothing
    6111 2022-01-04..2022-01-17
    -6111 2022-01-04..2022-01-17 FLX_DIS_DTD=2022-04-01
    = no leave
    = 0 euros
A negative line delivered before the line it takes back
    -6111 2022-01-04..2022-01-17 FLX_DIS_DTD=2022-02-01
    6111 2022-01-04..2022-01-17 FLX_DIS_DTD=2022-04-01
    = no leave
    = 0 euros
A line taken back after the release still stands in it
    6111 2022-01-04..2022-01-17
    -6111 2022-01-04..2022-01-17 FLX_DIS_DTD=2024-07-01
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros
A line paid twice and taken back once stands once
    6111 2022-01-04..2022-01-17
    6111 2022-01-04..2022-01-17
    -6111 2022-01-04..2022-01-17
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros for 14 days
A line corrected to another amount
    6111 2022-01-04..2022-01-17
    -6111 2022-01-04..2022-01-17 FLX_DIS_DTD=2022-04-01
    6111 2022-01-04..2022-01-17 FLX_DIS_DTD=2022-04-01 BSE_REM_MNT=520.10
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 520.10 euros for 14 days
A negative line of euros alone takes no day back
    6111 2022-01-04..2022-01-17
    -6111 2022-01-04..2022-01-17 PRS_ACT_NBR=0 PRS_ACT_QTE=0 BSE_REM_MNT=-50
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 440 euros for 14 days
A line taken back and paid anew for fewer days
    6111 2022-01-04..2022-01-17
    -6111 2022-01-04..2022-01-17
    6111 2022-01-04..2022-01-10
    = sickness 2022-01-01..2022-01-10, paid from 2022-01-04
    = 245 euros for 7 days
A line moved by one day moves the leave
    6111 2022-01-04..2022-01-17
    -6111 2022-01-04..2022-01-17
    6111 2022-01-05..2022-01-18
    = sickness 2022-01-02..2022-01-18, paid from 2022-01-05
    = 490 euros
A negative line of some days of the same period lowers the days paid, not the period
    6111 2022-01-04..2022-01-17
    -6111 2022-01-04..2022-01-17 PRS_ACT_NBR=-4 PRS_ACT_QTE=-4 BSE_REM_MNT=-140
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 350 euros for 10 days
A negative line on other dates than its positive takes its euros back and no day (netting is by period)
    6111 2022-01-04..2022-01-17
    -6111 2022-01-11..2022-01-17
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 245 euros
A line taken back under its code and paid anew under the other one
    6111 2022-01-04..2022-01-17
    -6111 2022-01-04..2022-01-17
    6112 2022-01-04..2022-01-17
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros for 14 days
A negative line takes back the days of its own code only
    6111 2022-01-04..2022-01-17
    -6112 2022-01-04..2022-01-17
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 0 euros
A negative line without its positive makes no leave, its euros count
    -6111 2022-01-04..2022-01-17
    = no leave
    = -490 euros
A negative line without its positive takes no day of the next leave
    -6111 2022-01-04..2022-01-17
    6111 2022-01-18..2022-01-31
    = sickness 2022-01-15..2022-01-31, paid from 2022-01-18
    = 0 euros
A line taken back twice leaves no day, and its euros below zero
    6111 2022-01-04..2022-01-17
    -6111 2022-01-04..2022-01-17
    -6111 2022-01-04..2022-01-17
    = no leave
    = -490 euros
A line taken back twice and paid anew twice stands once
    6111 2022-01-04..2022-01-17
    -6111 2022-01-04..2022-01-17
    -6111 2022-01-04..2022-01-17
    6111 2022-01-04..2022-01-17
    6111 2022-01-04..2022-01-17
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros for 14 days
A cancelled fortnight in the middle makes two leaves
    6111 2022-01-04..2022-01-10
    6111 2022-01-11..2022-01-20
    -6111 2022-01-11..2022-01-20
    6111 2022-01-21..2022-01-31
    = sickness 2022-01-01..2022-01-10, paid from 2022-01-04
    = sickness 2022-01-18..2022-01-31, paid from 2022-01-21
    = 630 euros
Two cancelled days in the middle leave one leave
    6111 2022-01-04..2022-01-10
    6111 2022-01-11..2022-01-12
    -6111 2022-01-11..2022-01-12
    6111 2022-01-13..2022-01-20
    = sickness 2022-01-01..2022-01-20, paid from 2022-01-04
    = 525 euros for 15 days
A cancelled fortnight paid anew, cut otherwise
    6111 2022-01-04..2022-01-17
    6111 2022-01-18..2022-01-31
    -6111 2022-01-18..2022-01-31
    6111 2022-01-18..2022-01-24
    6111 2022-01-25..2022-01-31
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04
    = 980 euros for 28 days
A cancelled first fortnight moves the start
    6111 2022-01-04..2022-01-17
    -6111 2022-01-04..2022-01-17
    6111 2022-01-18..2022-01-31
    = sickness 2022-01-15..2022-01-31, paid from 2022-01-18
    = 490 euros
A row delivered twice (same key, same content) is one payment
    6111 2022-01-04..2022-01-17 DCT_ORD_NUM=1
    6111 2022-01-04..2022-01-17 DCT_ORD_NUM=1
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros for 14 days
A row whose nine-column key returns with other content is refused, and so is the other
    6111 2022-01-04..2022-01-17 DCT_ORD_NUM=1
    6111 2022-01-04..2022-01-17 DCT_ORD_NUM=1 BSE_REM_MNT=520.10
    = no leave
    = 0 euros
The same payment under two keys is paid twice: euros twice, days once
    6111 2022-01-04..2022-01-17
    6111 2022-01-04..2022-01-17
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 980 euros for 14 days
The sign is in the figures: a line marked negative with figures above zero counts as they stand (and is flagged)
    6111 2022-01-04..2022-01-17 BSE_REM_SGN=2
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros for 14 days

## Days paid

Days not given and a revaluation not given (ZZ) are read from the quantity
    6111 2022-01-04..2022-01-17 PRS_ACT_NBR= IJR_RVL_NAT=ZZ
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros for 14 days
Days at zero and a revaluation that does not apply (XX) are read from the quantity
    6111 2022-01-04..2022-01-17 PRS_ACT_NBR=0 IJR_RVL_NAT=XX
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros for 14 days
Days not given and a blank revaluation are read from the quantity
    6111 2022-01-04..2022-01-17 PRS_ACT_NBR= IJR_RVL_NAT=
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros for 14 days
Waiting days not given are read from the quantity too
    6011 2022-01-02..2022-01-03 PRS_ACT_NBR= IJR_RVL_NAT=ZZ
    6111 2022-01-04..2022-01-17
    = sickness 2022-01-02..2022-01-17, paid from 2022-01-04
    = 490 euros for 14 days
A negative line whose days are not given takes back the days of the positive one
    6111 2022-01-04..2022-01-17
    -6111 2022-01-04..2022-01-17 PRS_ACT_NBR= IJR_RVL_NAT=ZZ
    = no leave
    = 0 euros
A revaluation repeats the quantity: it adds euros and no day
    6111 2022-01-04..2022-01-17
    6111 2022-01-04..2022-01-17 PRS_ACT_NBR=0 IJR_RVL_NAT=RS BSE_REM_MNT=12
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 502 euros for 14 days
A revaluation of days that no line has paid prolongs nothing
    6111 2022-01-04..2022-01-17
    6111 2022-01-18..2022-01-31 PRS_ACT_NBR=0 IJR_RVL_NAT=RS BSE_REM_MNT=12
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 502 euros for 14 days
The quantity counts twice with two employers: days paid are given, and stand
    6111 2022-01-04..2022-01-17 PRS_ACT_QTE=28
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros for 14 days
A quantity that counts twice, read for want of days, is no more than the days of the period
    6111 2022-01-04..2022-01-17 PRS_ACT_NBR= PRS_ACT_QTE=28 IJR_RVL_NAT=ZZ
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros for 14 days
Fewer days paid than the period has: the leave is the period
    6111 2022-01-04..2022-01-17 PRS_ACT_NBR=10 PRS_ACT_QTE=10 BSE_REM_MNT=350
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 350 euros for 10 days
Euros without any day make no leave
    6111 2022-01-04..2022-01-17 PRS_ACT_NBR=0 PRS_ACT_QTE=0 BSE_REM_MNT=30
    = no leave
    = 30 euros

## Two employers

Two employers pay the same days, the second without days of its own
    6111 2022-01-04..2022-01-17 IJR_EMP_NUM=1
    6111 2022-01-04..2022-01-17 IJR_EMP_NUM=2 PRS_ACT_NBR=0 BSE_REM_MNT=200
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 690 euros for 14 days
Two employers pay the same days, both with days
    6111 2022-01-04..2022-01-17 IJR_EMP_NUM=1
    6111 2022-01-04..2022-01-17 IJR_EMP_NUM=2 BSE_REM_MNT=200
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 690 euros for 14 days
Two employers pay the same days under two codes
    6111 2022-01-04..2022-01-17 IJR_EMP_NUM=1
    6112 2022-01-04..2022-01-17 IJR_EMP_NUM=2 BSE_REM_MNT=200
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 690 euros for 14 days
Two employers cut the same days otherwise
    6111 2022-01-04..2022-01-17 IJR_EMP_NUM=1
    6111 2022-01-18..2022-01-31 IJR_EMP_NUM=1
    6111 2022-01-04..2022-01-24 IJR_EMP_NUM=2
    6111 2022-01-25..2022-01-31 IJR_EMP_NUM=2
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04
    = 1960 euros
Two employers cut the same days otherwise, under two codes
    6111 2022-01-04..2022-01-17 IJR_EMP_NUM=1
    6111 2022-01-18..2022-01-31 IJR_EMP_NUM=1
    6112 2022-01-04..2022-01-31 IJR_EMP_NUM=2
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04
    = 1960 euros
The leave from one employer goes on after that from the other has ended
    6111 2022-01-04..2022-01-17 IJR_EMP_NUM=1
    6111 2022-01-04..2022-01-31 IJR_EMP_NUM=2
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04
    = 1470 euros
The line of one employer taken back leaves that of the other
    6111 2022-01-04..2022-01-17 IJR_EMP_NUM=1
    6111 2022-01-04..2022-01-17 IJR_EMP_NUM=2 BSE_REM_MNT=200
    -6111 2022-01-04..2022-01-17 IJR_EMP_NUM=2 BSE_REM_MNT=-200
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros for 14 days
Full leave from one employer, part-time for the other: the days are full
    6111 2022-01-04..2022-01-31 IJR_EMP_NUM=1
    6117 2022-01-18..2022-01-31 IJR_EMP_NUM=2
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04
    = 1470 euros

## Therapeutic part-time

Part-time at the end is the last phase of the same leave
    6111 2022-01-04..2022-01-17
    6117 2022-01-18..2022-01-31
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04, part-time 14 days from 2022-01-18
    = 980 euros for 28 days
Part-time below and above three months (6117, 6118) is one phase
    6111 2022-01-04..2022-01-10
    6117 2022-01-11..2022-01-20
    6118 2022-01-21..2022-01-31
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04, part-time 21 days from 2022-01-11
    = 980 euros
Part-time in the middle, full leave after: no last phase, the part-time days count
    6111 2022-01-04..2022-01-10
    6117 2022-01-11..2022-01-20
    6111 2022-01-21..2022-01-31
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04, part-time 10 days
    = 980 euros
Part-time twice: the last phase begins with the second
    6111 2022-01-04..2022-01-10
    6117 2022-01-11..2022-01-14
    6111 2022-01-15..2022-01-20
    6117 2022-01-21..2022-01-31
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04, part-time 15 days from 2022-01-21
    = 980 euros
Part-time from the first paid day: the waiting days are not part-time
    6117 2022-01-04..2022-01-17
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04, part-time 14 days from 2022-01-04
    = 490 euros
Part-time that overlaps full days begins after the last of them
    6111 2022-01-04..2022-01-17
    6117 2022-01-10..2022-01-31
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04, part-time 14 days from 2022-01-18
    = 1260 euros
Full days inside a part-time period are full, those around them part-time
    6117 2022-01-04..2022-01-31
    6111 2022-01-10..2022-01-17
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04, part-time 20 days from 2022-01-18
    = 1260 euros
Part-time after a gap of two days goes on with the leave
    6111 2022-01-04..2022-01-10
    6117 2022-01-13..2022-01-20
    = sickness 2022-01-01..2022-01-20, paid from 2022-01-04, part-time 8 days from 2022-01-13
    = 525 euros
A gap within the last phase is bridged as part-time
    6111 2022-01-04..2022-01-10
    6117 2022-01-11..2022-01-17
    6117 2022-01-20..2022-01-31
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04, part-time 21 days from 2022-01-11
    = 910 euros
Part-time after a gap of three days is a leave of its own
    6111 2022-01-04..2022-01-10
    6117 2022-01-14..2022-01-20
    = sickness 2022-01-01..2022-01-10, paid from 2022-01-04
    = sickness 2022-01-11..2022-01-20, paid from 2022-01-14, part-time 7 days from 2022-01-14
    = 490 euros
Part-time taken back leaves the full days
    6111 2022-01-04..2022-01-17
    6117 2022-01-18..2022-01-31
    -6117 2022-01-18..2022-01-31
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros
Part-time corrected to full leave
    6111 2022-01-04..2022-01-17
    6117 2022-01-18..2022-01-31
    -6117 2022-01-18..2022-01-31
    6111 2022-01-18..2022-01-31
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04
    = 980 euros for 28 days
Part-time after a work accident
    6111 2022-01-04..2022-01-17 RGO_ASU_NAT=40
    6117 2022-01-18..2022-01-31 RGO_ASU_NAT=40
    = work_injury 2022-01-04..2022-01-31, part-time 14 days from 2022-01-18
    = 980 euros

## Work accident and occupational disease, apart from sickness

Sickness and work accident on the same days are two leaves
    6111 2022-01-04..2022-01-17
    6111 2022-01-10..2022-01-31 RGO_ASU_NAT=40
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = work_injury 2022-01-10..2022-01-31
    = 1260 euros
A work accident the day after a sickness leave is another leave
    6111 2022-01-04..2022-01-17
    6111 2022-01-18..2022-01-31 RGO_ASU_NAT=40
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = work_injury 2022-01-18..2022-01-31
    = 980 euros
A sickness leave the day after a work accident starts by its own rule, on days of the accident
    6111 2022-01-04..2022-01-17 RGO_ASU_NAT=40
    6111 2022-01-18..2022-01-31
    = work_injury 2022-01-04..2022-01-17
    = sickness 2022-01-15..2022-01-31, paid from 2022-01-18
    = 980 euros
A work accident does not bridge a gap between two sickness leaves
    6111 2022-01-04..2022-01-10
    6111 2022-01-11..2022-01-15 RGO_ASU_NAT=40
    6111 2022-01-16..2022-01-20
    = sickness 2022-01-01..2022-01-10, paid from 2022-01-04
    = work_injury 2022-01-11..2022-01-15
    = sickness 2022-01-13..2022-01-20, paid from 2022-01-16
    = 595 euros
A work accident turned down: taken back, and paid anew as sickness
    6111 2022-01-04..2022-01-17 RGO_ASU_NAT=40
    -6111 2022-01-04..2022-01-17 RGO_ASU_NAT=40 FLX_DIS_DTD=2022-04-01
    6111 2022-01-07..2022-01-17 FLX_DIS_DTD=2022-04-01
    = sickness 2022-01-04..2022-01-17, paid from 2022-01-07
    = 385 euros
A negative line of sickness does not cancel a work accident
    6111 2022-01-04..2022-01-17 RGO_ASU_NAT=40
    -6111 2022-01-04..2022-01-17
    = work_injury 2022-01-04..2022-01-17
    = 0 euros
Temporary inaptitude (6120) goes on with the work accident
    6111 2022-01-04..2022-01-17 RGO_ASU_NAT=40
    6120 2022-01-18..2022-01-31 RGO_ASU_NAT=40
    = work_injury 2022-01-04..2022-01-31
    = 980 euros
Temporary inaptitude four days after the work accident is a leave of its own
    6111 2022-01-04..2022-01-17 RGO_ASU_NAT=40
    6120 2022-01-22..2022-01-31 RGO_ASU_NAT=40
    = work_injury 2022-01-04..2022-01-17
    = work_injury 2022-01-22..2022-01-31
    = 840 euros

## Self-employed

The five schemes of the self-employed follow the same rules
    6111 2022-01-04..2022-01-10 RGM_COD=103
    6111 2022-01-11..2022-01-17 RGM_COD=105
    6111 2022-01-18..2022-01-24 RGM_COD=106
    6111 2022-01-25..2022-01-31 RGM_COD=107
    6111 2022-02-01..2022-02-07 RGM_COD=390
    = sickness 2022-01-01..2022-02-07, paid from 2022-01-04
    = 1225 euros for 35 days
Self-employed health professionals are paid under codes of their own
    6134 2022-01-04..2022-01-10 RGM_COD=103
    6135 2022-01-11..2022-01-17 RGM_COD=103
    6239 2022-01-18..2022-01-24 RGM_COD=103
    = sickness 2022-01-01..2022-01-24, paid from 2022-01-04
    = 735 euros for 21 days
Employee and self-employed at once: the days once, the euros of both
    6111 2022-01-04..2022-01-17
    6111 2022-01-04..2022-01-17 RGM_COD=103 BSE_REM_MNT=300
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 790 euros for 14 days

## Left out

Maternity makes no sickness leave, even in the middle of one
    6111 2022-01-04..2022-01-10
    6121 2022-01-11..2022-01-20 RGO_ASU_NAT=30
    6111 2022-01-21..2022-01-31
    = sickness 2022-01-01..2022-01-10, paid from 2022-01-04
    = sickness 2022-01-18..2022-01-31, paid from 2022-01-21
    = 630 euros
Codes of maternity, adoption and paternity are left out under any risk
    6121 2022-01-04..2022-01-10
    6122 2022-01-04..2022-01-10
    6123 2022-01-04..2022-01-10
    6124 2022-01-04..2022-01-10
    6210 2022-01-04..2022-01-10
    6211 2022-01-04..2022-01-10
    6212 2022-01-04..2022-01-10
    6213 2022-01-04..2022-01-10 RGO_ASU_NAT=40
    = no leave
    = 0 euros
The code of sickness under the risk of maternity is left out
    6111 2022-01-04..2022-01-17 RGO_ASU_NAT=30
    = no leave
    = 0 euros
Lines for information (71, 72) pay nothing
    6111 2022-01-04..2022-01-10
    6111 2022-01-11..2022-01-17 DPN_QLF=71
    6111 2022-01-18..2022-01-24 DPN_QLF=72
    = sickness 2022-01-01..2022-01-10, paid from 2022-01-04
    = 245 euros for 7 days
A line for information does not take back a payment
    6111 2022-01-04..2022-01-17
    -6111 2022-01-04..2022-01-17 DPN_QLF=71
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros
A blank qualifier of the expense is no reason to leave a line out
    6111 2022-01-04..2022-01-17 DPN_QLF=
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros
Lines with an unknown benefit, risk, revaluation, scheme or sign are refused, the others stand
    6111 2022-01-04..2022-01-10
    6999 2022-01-11..2022-01-17
    6111 2022-01-11..2022-01-17 RGO_ASU_NAT=50
    6111 2022-01-11..2022-01-17 IJR_RVL_NAT=QQ
    6111 2022-01-11..2022-01-17 RGM_COD=999
    6111 2022-01-11..2022-01-17 BSE_REM_SGN=3
    = sickness 2022-01-01..2022-01-10, paid from 2022-01-04
    = 245 euros
A line whose period ends before it starts, or starts after its flow, is refused
    6111 2022-01-04..2022-01-10
    6111 2022-01-17..2022-01-11 PRS_ACT_NBR=7 PRS_ACT_QTE=7 BSE_REM_MNT=245
    6111 2022-01-11..2022-01-17 FLX_DIS_DTD=2022-01-01
    = sickness 2022-01-01..2022-01-10, paid from 2022-01-04
    = 245 euros

## Who is who

A person's second BEN_NIR_PSA goes on with the leave
    beneficiaire BEN_NIR_PSA=one delivery=2022-01
    beneficiaire BEN_NIR_PSA=two delivery=2022-03
    6111 2022-01-04..2022-01-17 BEN_NIR_PSA=one
    6111 2022-01-18..2022-01-31 BEN_NIR_PSA=two
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04
    = 980 euros
A line paid under one pseudonym is taken back under the other
    beneficiaire BEN_NIR_PSA=one delivery=2022-01
    beneficiaire BEN_NIR_PSA=two delivery=2022-03
    6111 2022-01-04..2022-01-17 BEN_NIR_PSA=one
    -6111 2022-01-04..2022-01-17 BEN_NIR_PSA=two
    = no leave
    = 0 euros
The same days paid under both pseudonyms are counted once
    beneficiaire BEN_NIR_PSA=one delivery=2022-01
    beneficiaire BEN_NIR_PSA=two delivery=2022-03
    6111 2022-01-04..2022-01-17 BEN_NIR_PSA=one
    6111 2022-01-04..2022-01-17 BEN_NIR_PSA=two BSE_REM_MNT=200
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 690 euros for 14 days
Lines delivered before the register names their pseudonym
    beneficiaire BEN_NIR_PSA=one delivery=2022-01
    beneficiaire BEN_NIR_PSA=two delivery=2023-06
    6111 2022-01-04..2022-01-17 BEN_NIR_PSA=two
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros
Two numbers (NIR) of one BEN_IDT_ANO are one person
    beneficiaire nir=one BEN_NIR_PSA=one
    beneficiaire nir=two BEN_NIR_PSA=two
    6111 2022-01-04..2022-01-17 BEN_NIR_PSA=one
    6111 2022-01-18..2022-01-31 BEN_NIR_PSA=two
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04
    = 980 euros
Twins share a BEN_NIR_PSA and are told apart by BEN_RNG_GEM
    beneficiaire BEN_RNG_GEM=1
    beneficiaire BEN_RNG_GEM=2 BEN_IDT_ANO=two
    6111 2022-01-04..2022-01-17 BEN_RNG_GEM=1
    6111 2022-01-18..2022-01-31 BEN_RNG_GEM=2
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = two: sickness 2022-01-15..2022-01-31, paid from 2022-01-18
    = 980 euros
A negative line of one twin does not cancel a payment to the other
    beneficiaire BEN_RNG_GEM=1
    beneficiaire BEN_RNG_GEM=2 BEN_IDT_ANO=two
    6111 2022-01-04..2022-01-17 BEN_RNG_GEM=1
    -6111 2022-01-04..2022-01-17 BEN_RNG_GEM=2
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 0 euros
Lines of a pseudonym, or of a twin, that no register row names belong to nobody
    6111 2022-01-04..2022-01-17
    6111 2022-01-18..2022-01-31 BEN_NIR_PSA=two
    6111 2022-01-18..2022-01-31 BEN_RNG_GEM=2
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros

## The first and the last payments

A last paid day before the payment lag closes the leave
    6111 2023-12-10..2023-12-31
    = sickness 2023-12-07..2023-12-31, paid from 2023-12-10
    = 770 euros
A last paid day within the payment lag leaves it open
    6111 2023-12-10..2024-01-01
    = sickness 2023-12-07..2024-01-01, paid from 2023-12-10, open
    = 805 euros
A line within the payment lag that was taken back leaves the leave closed
    6111 2023-12-10..2023-12-31
    6111 2024-01-01..2024-01-14
    -6111 2024-01-01..2024-01-14
    = sickness 2023-12-07..2023-12-31, paid from 2023-12-10
    = 770 euros
Of two leaves only the one that reaches the payment lag is open
    6111 2023-11-06..2023-11-19
    6111 2024-01-08..2024-01-21 RGO_ASU_NAT=40
    = sickness 2023-11-03..2023-11-19, paid from 2023-11-06
    = work_injury 2024-01-08..2024-01-21, open
    = 980 euros
A sickness leave first paid two days after the window opens may have been paid before it
    6111 2019-06-03..2019-06-16
    = sickness 2019-05-31..2019-06-16, paid from 2019-06-03, start not seen
    = 490 euros
A sickness leave first paid three days after the window opens was not paid before: its payments would be seen
    6111 2019-06-04..2019-06-17
    = sickness 2019-06-01..2019-06-17, paid from 2019-06-04
    = 490 euros
A work accident first paid two days after the window opens may have begun before it
    6111 2019-06-03..2019-06-16 RGO_ASU_NAT=40
    = work_injury 2019-06-03..2019-06-16, start not seen
    = 490 euros
A work accident first paid three days after the window opens began in it
    6111 2019-06-04..2019-06-17 RGO_ASU_NAT=40
    = work_injury 2019-06-04..2019-06-17
    = 490 euros
A waiting line shows the start, however near the opening of the window
    6011 2019-05-31..2019-06-02
    6111 2019-06-03..2019-06-16
    = sickness 2019-05-31..2019-06-16, paid from 2019-06-03
    = 490 euros
A waiting line taken back shows no start
    6011 2019-05-31..2019-06-02
    -6011 2019-05-31..2019-06-02
    6111 2019-06-03..2019-06-16
    = sickness 2019-05-31..2019-06-16, paid from 2019-06-03, start not seen
    = 490 euros
A payment of the first flow for days long before it is not the first of its leave
    6111 2019-04-08..2019-04-21 FLX_DIS_DTD=2019-07-01
    6111 2019-09-02..2019-09-15
    = sickness 2019-04-05..2019-04-21, paid from 2019-04-08, start not seen
    = sickness 2019-08-30..2019-09-15, paid from 2019-09-02
    = 980 euros

## How a leave ended

Employed at the end of the month in which the leave ended: a return
    6111 2022-01-04..2022-01-17
    emploi mois=2022-01 en_emploi=true
    emploi mois=2022-02 en_emploi=false motif_rupture=059
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04, then return
    = 490 euros
Not employed at the end of the month in which the leave ended: a job lost
    6111 2022-01-04..2022-01-17
    emploi mois=2022-01 en_emploi=false motif_rupture=091
    emploi mois=2022-02 en_emploi=true
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04, then job_loss
    = 490 euros
A leave that ends the day before a month-end is judged on that month-end
    6111 2022-01-04..2022-01-30
    emploi mois=2022-01 en_emploi=true
    emploi mois=2022-02 en_emploi=false
    = sickness 2022-01-01..2022-01-30, paid from 2022-01-04, then return
    = 945 euros
A leave that ends on a month-end is judged on the next one
    6111 2022-01-04..2022-01-31
    emploi mois=2022-01 en_emploi=true
    emploi mois=2022-02 en_emploi=false
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04, then job_loss
    = 980 euros
No row of that month: how the leave ended is unknown
    6111 2022-01-04..2022-01-17
    emploi mois=2021-12 en_emploi=true
    emploi mois=2022-02 en_emploi=true
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros
The month declared under the person's other number (NIR) counts
    beneficiaire nir=one
    beneficiaire nir=two BEN_NIR_PSA=two
    6111 2022-01-04..2022-01-17
    emploi nir=two mois=2022-01 en_emploi=true
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04, then return
    = 490 euros
A self-employed person in the register of activity has returned
    beneficiaire RGM_COD=103
    6111 2022-01-04..2022-01-17 RGM_COD=103
    emploi mois=2022-01 en_emploi=true nature_contrat=TI quotite=
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04, then return
    = 490 euros
A death up to 30 days after the leave ended it
    beneficiaire BEN_DCD_DTE=2022-02-16
    6111 2022-01-04..2022-01-17
    emploi mois=2022-01 en_emploi=true
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04, then death
    = 490 euros
A death 31 days after the leave did not end it
    beneficiaire BEN_DCD_DTE=2022-02-17
    6111 2022-01-04..2022-01-17
    emploi mois=2022-01 en_emploi=true
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04, then return
    = 490 euros
A death before the last day paid ended the leave
    beneficiaire BEN_DCD_DTE=2022-01-15
    6111 2022-01-04..2022-01-17
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04, then death
    = 490 euros
The sentinel 1600-01-01 is no death
    beneficiaire BEN_DCD_DTE=1600-01-01
    6111 2022-01-04..2022-01-17
    emploi mois=2022-01 en_emploi=true
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04, then return
    = 490 euros
A death ends the leave that it follows, not the ones before
    beneficiaire BEN_DCD_DTE=2022-04-01
    6111 2022-01-04..2022-01-17
    6111 2022-03-04..2022-03-17
    emploi mois=2022-01 en_emploi=true
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04, then return
    = sickness 2022-03-01..2022-03-17, paid from 2022-03-04, then death
    = 980 euros
Retirement ended the leave, even when the month-end says not employed
    beneficiaire retraite_debut=2022-02-01
    6111 2022-01-04..2022-01-31
    emploi mois=2022-02 en_emploi=false motif_rupture=039
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04, then retirement
    = 980 euros
An invalidity pension ended the leave, even when the contract goes on
    beneficiaire invalidite_cat=2 invalidite_debut=2022-02-01
    6111 2022-01-04..2022-01-31
    emploi mois=2022-02 en_emploi=true
    = sickness 2022-01-01..2022-01-31, paid from 2022-01-04, then invalidity
    = 980 euros
Death comes before retirement, retirement before invalidity, whatever their dates
    beneficiaire invalidite_cat=2 invalidite_debut=2022-01-20 retraite_debut=2022-02-01 BEN_DCD_DTE=2022-02-10
    6111 2022-01-04..2022-01-17
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04, then death
    = 490 euros
Retirement comes before invalidity
    beneficiaire invalidite_cat=2 invalidite_debut=2022-01-20 retraite_debut=2022-02-01
    6111 2022-01-04..2022-01-17
    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04, then retirement
    = 490 euros
A leave that may go on is open, whatever the month-end says
    6111 2023-12-10..2024-01-05
    emploi mois=2024-01 en_emploi=true
    = sickness 2023-12-07..2024-01-05, paid from 2023-12-10, open
    = 945 euros

## End of rights

360 days of sickness allowance in three years use up the rights, even when the contract goes on
    6111 2021-01-04..2021-12-29 every 90 days
    emploi mois=2021-12 en_emploi=true
    = sickness 2021-01-01..2021-12-29, paid from 2021-01-04, then end_of_rights
    = 12600 euros for 360 days
359 days do not
    6111 2021-01-04..2021-12-28 every 90 days
    emploi mois=2021-12 en_emploi=true
    = sickness 2021-01-01..2021-12-28, paid from 2021-01-04, then return
    = 12565 euros for 359 days
Days of an earlier leave count
    6111 2020-02-01..2020-08-18 every 100 days
    6111 2021-02-01..2021-07-10 every 80 days
    emploi mois=2020-08 en_emploi=true
    emploi mois=2021-07 en_emploi=true
    = sickness 2020-01-29..2020-08-18, paid from 2020-02-01, then return
    = sickness 2021-01-29..2021-07-10, paid from 2021-02-01, then end_of_rights
    = 12600 euros for 360 days
Days more than 1095 days back do not count
    6111 2019-08-01..2020-02-16 every 100 days
    6111 2023-02-01..2023-07-10 every 80 days
    emploi mois=2020-02 en_emploi=true
    emploi mois=2023-07 en_emploi=true
    = sickness 2019-07-29..2020-02-16, paid from 2019-08-01, then return
    = sickness 2023-01-29..2023-07-10, paid from 2023-02-01, then return
    = 12600 euros for 360 days
Days in part-time count
    6111 2021-01-04..2021-07-02 every 90 days
    6117 2021-07-03..2021-12-29 every 90 days
    emploi mois=2021-12 en_emploi=true
    = sickness 2021-01-01..2021-12-29, paid from 2021-01-04, part-time 180 days from 2021-07-03, then end_of_rights
    = 12600 euros for 360 days
Days paid by two employers count once
    6111 2021-01-04..2021-07-02 every 90 days IJR_EMP_NUM=1
    6111 2021-01-04..2021-07-02 every 60 days IJR_EMP_NUM=2
    emploi mois=2021-07 en_emploi=true
    = sickness 2021-01-01..2021-07-02, paid from 2021-01-04, then return
    = 12600 euros
Days of a work accident do not count
    6111 2021-01-04..2021-12-29 every 90 days RGO_ASU_NAT=40
    emploi mois=2021-12 en_emploi=true
    = work_injury 2021-01-04..2021-12-29, then return
    = 12600 euros for 360 days
Under long-term illness (ALD) 360 days do not use up the rights
    beneficiaire ald_debut=2020-06-01
    6111 2021-01-04..2021-12-29 every 90 days
    emploi mois=2021-12 en_emploi=true
    = sickness 2021-01-01..2021-12-29, paid from 2021-01-04, then return
    = 12600 euros for 360 days
The sentinel 1600-01-01 is no end of ALD
    beneficiaire ald_debut=2020-06-01 ald_fin=1600-01-01
    6111 2021-01-04..2021-12-29 every 90 days
    emploi mois=2021-12 en_emploi=true
    = sickness 2021-01-01..2021-12-29, paid from 2021-01-04, then return
    = 12600 euros for 360 days
Days paid under an ALD that ended before the leave did are another right: they do not count
    beneficiaire ald_debut=2020-06-01 ald_fin=2021-06-30
    6111 2021-01-04..2021-12-29 every 90 days
    emploi mois=2021-12 en_emploi=true
    = sickness 2021-01-01..2021-12-29, paid from 2021-01-04, then return
    = 12600 euros for 360 days
An ALD that ended before the leave began protects no day of it
    beneficiaire ald_debut=2020-06-01 ald_fin=2021-01-03
    6111 2021-01-04..2021-12-29 every 90 days
    emploi mois=2021-12 en_emploi=true
    = sickness 2021-01-01..2021-12-29, paid from 2021-01-04, then end_of_rights
    = 12600 euros for 360 days
Under ALD a leave of 1095 days uses up the rights
    beneficiaire ald_debut=2020-01-01
    6111 2020-01-04..2022-12-30 every 91 days
    emploi mois=2022-12 en_emploi=true
    = sickness 2020-01-01..2022-12-30, paid from 2020-01-04, then end_of_rights
    = 38220 euros for 1092 days
Under ALD a leave of 1094 days does not
    beneficiaire ald_debut=2020-01-01
    6111 2020-01-04..2022-12-29 every 91 days
    emploi mois=2022-12 en_emploi=true
    = sickness 2020-01-01..2022-12-29, paid from 2020-01-04, then return
    = 38185 euros for 1091 days
An invalidity pension after 360 days ended the leave, not the rights
    beneficiaire invalidite_cat=2 invalidite_debut=2022-01-01
    6111 2021-01-04..2021-12-29 every 90 days
    = sickness 2021-01-01..2021-12-29, paid from 2021-01-04, then invalidity
    = 12600 euros for 360 days
A leave that may go on is open, whatever rights it has used
    6111 2023-01-05..2024-01-10 every 60 days
    = sickness 2023-01-02..2024-01-10, paid from 2023-01-05, open
    = 12985 euros for 371 days
""")

STUDY, RULES = PROTOCOL.study, PROTOCOL.leave
HEAD = f"""# Leave cases: from payment lines to leaves

Generated from `tests/leave/cases.py`, whose cases are tested: do not edit; run
`python -m tests.leave.cases > docs/leave-cases.md` after a change.

There is no table of leaves in the SNDS: a leave (*arrêt*) is rebuilt from payment lines. Each case states one trap, the
rows delivered and, after `=`, what is made of them: the leaves in order, the euros of all lines kept, the days paid
where they matter.

How rows are written:

- `6111 2022-01-04..2022-01-17` is a line of `ij_lignes`: PRS_NAT_REF, then EXE_SOI_DTD to EXE_SOI_DTF. Unless it says
  otherwise it is sickness (RGO_ASU_NAT 10) of an employee (RGM_COD 101), pays every day of the period (PRS_ACT_NBR and
  PRS_ACT_QTE) at {EUROS_A_DAY} euros a day (BSE_REM_MNT; waiting days at 0), is positive (BSE_REM_SGN 1), neither a
  revaluation (IJR_RVL_NAT XX) nor for information (DPN_QLF 0), and is made available on the first of the month after
  its last day (FLX_DIS_DTD). `COLUMN=` is an empty value.
- `-6111 ...` is the negative line: BSE_REM_SGN 2; days, quantity and amount below zero.
- `every 14 days` cuts the period into as many lines.
- `beneficiaire` and `emploi` are rows of `beneficiaires` and `emploi_mensuel`, delivered with the release unless they
  say otherwise. Each case has one insured person, named `one`, unless it names another, and its identifiers have short
  names of the same kind.

How leaves are written: risk, first to last day; `paid from` the first paid day where the leave starts before it;
`part-time`, the days in therapeutic part-time, `from` the start of the last phase; `start not seen` where the leave may
have begun before the window; `open` where it may still go on; `then`, how it ended (nothing where this is unknown).

The calendar of all cases: release {RELEASE}, flows from {FIRST_FLOW} to {LAST_FLOW}. The window opens a month before
the first flow. A leave paid on {FOLLOW_UP_END} or later is open: the payment lag is {STUDY.payment_lag_months} months.
The protocol says: within a leave, gaps of at most {RULES.gap_days} days; in sickness, {RULES.sickness_waiting_days}
waiting days; rights of {RULES.rights_days} days; what happens up to {STUDY.sustained_return_days} days after a leave
may have ended it.
"""


def document() -> str:
    """`docs/leave-cases.md`."""
    parts = [HEAD]
    for theme, of_theme in groupby(CASES, key=lambda case: case.theme):
        parts.append(f"\n## {theme}\n")
        for case in of_theme:
            made = [f"= {text}" for text in case.made]
            rows = "".join(f"    {row}\n" for row in (*case.delivered, *made))
            parts.append(f"\n**{case.number}. {case.says}.**\n\n{rows}")
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(document())
