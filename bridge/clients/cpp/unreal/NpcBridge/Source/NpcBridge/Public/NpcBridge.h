// Not compiled: written from the engine's public documentation. See unreal/README.md.
#pragma once

#include "Components/ActorComponent.h"
#include "Subsystems/WorldSubsystem.h"

#include "NpcBridge.generated.h"

namespace npcw { class Client; }

DECLARE_DYNAMIC_MULTICAST_DELEGATE_OneParam(FNpcMove, FVector, Velocity);

/** Put on an actor that the brain moves. Without a plan it is told to brake; OnMove gets cm/s on the ground in every tick. */
UCLASS(ClassGroup = AI, meta = (BlueprintSpawnableComponent))
class NPCBRIDGE_API UNpcBrainComponent : public UActorComponent
{
    GENERATED_BODY()

public:
    UPROPERTY(BlueprintAssignable) FNpcMove OnMove;
    uint32 Id = 0; // on the wire; never reused within a session

protected:
    virtual void BeginPlay() override;
    virtual void EndPlay(const EEndPlayReason::Type Reason) override;
};

/** One per world: polls, steps and pushes at 30 Hz on the game thread. No call waits. */
UCLASS()
class NPCBRIDGE_API UNpcBridgeSubsystem : public UTickableWorldSubsystem
{
    GENERATED_BODY()

public:
    UFUNCTION(BlueprintCallable) void Connect(const FString& Endpoint);
    /** What is wrong now and what to do about it, empty if nothing is. */
    UFUNCTION(BlueprintPure) FString Fault() const;
    virtual void Tick(float Seconds) override;
    virtual TStatId GetStatId() const override;

    void Add(UNpcBrainComponent* Npc);
    void Remove(UNpcBrainComponent* Npc);

private:
    void Step();
    void Push();

    TSharedPtr<npcw::Client> Client;
    UPROPERTY() TArray<TObjectPtr<UNpcBrainComponent>> Npcs;
    uint32 NextId = 2; // 1 is the player
    int64 NetTick = 0;
    float Owed = 0; // s of game time that no step has played yet
};
