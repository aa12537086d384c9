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
    SweepRuns = 7,
    SweepLeavesOutWhatWasRejected = 8,
    DeliverSendsToWhoReportsALowerGeneration = 9,
    DeliverSendsAgainAfterFailed = 10,
    DriftWakesQuietRollouts = 11,
    AgentIgnoresLowerGenerations = 12,
    AgentTakesTheHighestOfABatch = 13,
    TheGenerationIsAMarkInTheRuntime = 14,
    WhatIsReportedMayBeHeld = 15,
    WhatWasSentMayBeHeldUntilALaterReport = 16,
    RevocableWaitsForRestoredRuntimes = 17,
    RevocableIsNotWhatIsAssigned = 18,
    SeveralVersionsShowNone = 19,
    SweepRunsForCredentials = 20,
    AKeyChangeDefers = 21,
    AgentKeepsTheSecretsOfWhatStays = 22,
    AgentFailsWhatLacksItsNewSecret = 23,
    HoldingsOutliveARegistration = 24,
}
