namespace Governor.Survival.Tests.Model;

/// <summary>A rule of the protocol that can be switched off, to see that the histories notice it.</summary>
internal enum Rule
{
    AssignRaisesTheGeneration = 0,
    AssignLooksAtTheSelectorAgain = 1,
    WhoeverAssignsWritesTheTarget = 2,
    RecordIgnoresLowerStamps = 3,
    RecordNeedsTheTargetsGeneration = 4,
    AnOutcomeOutweighsTheDigest = 5,
    WhatWasGivenBackLosesItsGeneration = 6,
    GiveBackOnlyWhatThisRolloutWrote = 7,
    SweepRuns = 8,
    SweepLeavesOutWhatWasRejected = 9,
    DeliverSendsToWhoReportsALowerGeneration = 10,
    DeliverSendsAgainAfterFailed = 11,
    DriftWakesQuietRollouts = 12,
    AgentIgnoresLowerGenerations = 13,
    AgentTakesTheHighestOfABatch = 14,
    TheGenerationIsAMarkInTheRuntime = 15,
}
